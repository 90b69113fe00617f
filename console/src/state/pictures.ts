import type { Picture } from '../../../src/remote/gateway/camera-packet.ts';

/** Newest picture of each camera, handed straight to whoever draws it: pixels have no place in signals. */
const newest = new Map<string, Picture>();
const drawers = new Map<string, (picture: Picture) => void>();

export function takePicture(picture: Picture): void {
  newest.set(picture.name, picture);
  drawers.get(picture.name)?.(picture);
}

/** Draws the camera's newest picture and every later one, until the returned function is called. */
export function drawPictures(camera: string, draw: (picture: Picture) => void): () => void {
  drawers.set(camera, draw);
  const last = newest.get(camera);
  if (last !== undefined) draw(last);
  return () => {
    if (drawers.get(camera) === draw) drawers.delete(camera);
  };
}
