import type { ComponentChildren } from 'preact';

interface PanelProps {
  readonly name: string;
  readonly title: string;
  /** Right of the title, quietly. */
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** One titled region of the board; `name` is its place in the grid. */
export const Panel = ({ name, title, aside, children }: PanelProps) => (
  <section class={`panel panel-${name}`} aria-labelledby={`title-${name}`}>
    <header class="panel-head">
      <h2 id={`title-${name}`}>{title}</h2>
      {aside !== undefined && <div class="panel-aside">{aside}</div>}
    </header>
    {children}
  </section>
);
