import { ArmPanel } from './components/ArmPanel.tsx';
import { CamerasPanel } from './components/CamerasPanel.tsx';
import { ConnectionBanner } from './components/ConnectionBanner.tsx';
import { Dock } from './components/Dock.tsx';
import { EventsPanel } from './components/EventsPanel.tsx';
import { Header } from './components/Header.tsx';
import { JointsPanel } from './components/JointsPanel.tsx';
import { LoopPanel } from './components/LoopPanel.tsx';
import { PlotsPanel } from './components/PlotsPanel.tsx';
import { QuitDialog } from './components/QuitDialog.tsx';
import { TakeOverDialog } from './components/TakeOverDialog.tsx';

export const App = () => (
  <>
    <Header />
    <ConnectionBanner />
    <main class="board">
      <div class="column">
        <ArmPanel />
        <PlotsPanel />
      </div>
      <div class="column">
        <CamerasPanel />
        <JointsPanel />
      </div>
      <div class="column">
        <LoopPanel />
        <EventsPanel />
      </div>
    </main>
    <Dock />
    <QuitDialog />
    <TakeOverDialog />
  </>
);
