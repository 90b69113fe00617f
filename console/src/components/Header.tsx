import { armInfo, calm, connectionState, silent } from '../state/store.ts';
import { Operator } from './Operator.tsx';
import { StateBadge } from './StateBadge.tsx';

const LINK_WORDS = { connecting: 'connecting', live: 'live', lost: 'no connection' } as const;

const Link = () => {
  const state = connectionState.value;
  const word = state === 'live' && silent.value ? 'silent' : LINK_WORDS[state];
  return (
    <span class={`link link-${word === 'live' ? 'live' : 'lost'}`} role="status">
      <span class="link-dot" aria-hidden="true" />
      {word}
    </span>
  );
};

const Fact = ({ label, value }: { readonly label: string; readonly value: string }) => (
  <div class="fact">
    <dt>{label}</dt>
    <dd title={value}>{value === '' ? '–' : value}</dd>
  </div>
);

export const Header = () => {
  const info = armInfo.value;
  const arm = calm.value?.arm;
  const commander = arm?.commander;
  return (
    <header class="top">
      <h1 class="brand">
        <span class="brand-mark" aria-hidden="true" />
        Myelin
      </h1>
      <StateBadge />
      <dl class="facts">
        <Fact label="Arm" value={info === undefined ? '' : `${info.model} on ${info.interfaceName}`} />
        <Fact label="Commander" value={commander == null ? 'nobody' : commander.name} />
        <Fact label="Policy" value={commander?.policy ?? ''} />
        <Fact label="Task" value={commander?.task ?? ''} />
      </dl>
      <Operator />
      <Link />
    </header>
  );
};
