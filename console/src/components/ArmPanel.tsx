import { useEffect, useRef, useState } from 'preact/hooks';
import { armInfo, calm, stale, telemetry } from '../state/store.ts';
import { Panel } from './Panel.tsx';

/** The arm in three dimensions: measured solid, commanded as a ghost. three.js is loaded when this first shows. */
export const ArmPanel = () => {
  const host = useRef<HTMLDivElement>(null);
  const [trouble, setTrouble] = useState<string>();
  const info = armInfo.value;
  const urdfPath = info?.urdfPath;
  useEffect(() => {
    const element = host.current;
    if (element === null || info === undefined || urdfPath == null) return;
    let gone = false;
    let close = () => {};
    setTrouble(undefined);
    import('../scene/arm-scene.ts')
      .then(({ openArmScene }) => openArmScene(element, info, telemetry))
      .then((scene) => {
        if (gone) scene.close();
        else close = scene.close;
      })
      .catch((thrown: unknown) => setTrouble(thrown instanceof Error ? thrown.message : String(thrown)));
    return () => {
      gone = true;
      close();
    };
  }, [urdfPath, info?.model]);
  const world = calm.value?.world;
  const missing =
    trouble ??
    (info === undefined ? 'No arm yet.' : urdfPath === null ? `No drawing of the ${info.model}.` : undefined);
  return (
    <Panel
      name="arm"
      title="Arm"
      aside={world != null && `${world.sorted} of ${world.objects.length} cubes sorted`}
    >
      <div
        ref={host}
        class={`scene ${stale.value ? 'is-stale' : ''}`}
        role="img"
        aria-label="The arm as measured, in three dimensions; drag to look around"
      />
      {missing !== undefined && <p class="empty scene-empty">{missing}</p>}
    </Panel>
  );
};
