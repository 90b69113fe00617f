import { render } from 'preact';
import { z } from 'zod';
import './styles/base.css';
import './styles/layout.css';
import './styles/panels.css';
import { App } from './App.tsx';
import { listenToKeys } from './keys.ts';
import { connection } from './state/live.ts';

// The page's Content-Security-Policy forbids code made from text, which zod would try for speed.
z.config({ jitless: true });

const root = document.getElementById('app');
if (root !== null) {
  connection.open();
  listenToKeys(window);
  render(<App />, root);
}
