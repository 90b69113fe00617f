import { useEffect, useRef } from 'preact/hooks';
import type { Picture } from '../../../src/remote/gateway/camera-packet.ts';
import type { CameraState } from '../../../src/remote/gateway/telemetry.ts';
import { drawPictures } from '../state/pictures.ts';
import { calm } from '../state/store.ts';
import { Panel } from './Panel.tsx';

/** A picture older than this is marked, ms. */
const OLD_PICTURE_MS = 500;

const drawOn =
  (canvas: HTMLCanvasElement) =>
  ({ width, height, rgb }: Picture): void => {
    const context = canvas.getContext('2d', { alpha: false });
    if (context === null || width === 0 || height === 0) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const image = context.createImageData(width, height);
    for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
      image.data[to] = rgb[from] ?? 0;
      image.data[to + 1] = rgb[from + 1] ?? 0;
      image.data[to + 2] = rgb[from + 2] ?? 0;
      image.data[to + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };

const Camera = ({ camera }: { readonly camera: CameraState }) => {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(
    () => (canvas.current === null ? undefined : drawPictures(camera.name, drawOn(canvas.current))),
    [camera.name],
  );
  const old = camera.ageMs === null || camera.ageMs > OLD_PICTURE_MS;
  return (
    <figure class={`camera ${old ? 'is-stale' : ''}`}>
      <canvas
        ref={canvas}
        width={camera.width}
        height={camera.height}
        role="img"
        aria-label={`Live picture of the camera ${camera.name}`}
      />
      <figcaption>
        <span>{camera.name}</span>
        <span class={old ? 'text-hold' : ''}>
          {camera.ageMs === null
            ? 'no picture'
            : old
              ? `${(camera.ageMs / 1000).toFixed(1)} s old`
              : `${camera.ageMs.toFixed(0)} ms`}
        </span>
      </figcaption>
    </figure>
  );
};

export const CamerasPanel = () => {
  const cameras = calm.value?.cameras ?? [];
  return (
    <Panel name="cameras" title="Cameras">
      <div class="cameras">
        {cameras.map((camera) => (
          <Camera key={camera.name} camera={camera} />
        ))}
      </div>
      {cameras.length === 0 && <p class="empty">No camera is running.</p>}
    </Panel>
  );
};
