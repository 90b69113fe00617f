import { type MainModule, mujoco } from '../mujoco.ts';
import { sceneXml, type WorldArm } from '../scene.ts';
import { RayGrid } from './ray-grid.ts';
import { type Camera, RenderScene } from './render-scene.ts';
import { shade } from './shading.ts';
import { ShadowMap } from './shadow-map.ts';

/** One camera at one size, with everything it needs a frame allocated once. */
export class CameraView {
  readonly camera: Camera;
  readonly grid: RayGrid;

  constructor(engine: MainModule, camera: Camera, width: number, height: number) {
    this.camera = camera;
    this.grid = new RayGrid(engine, width, height, camera.fovYRad);
  }
}

/**
 * Draws the scene by casting rays with MuJoCo: no graphics card, no display. It has a model of its own and is told
 * the positions, so it can run in another process than the physics.
 */
export class Renderer {
  readonly #engine: MainModule;
  readonly #scene: RenderScene;
  readonly #shadow: ShadowMap;
  readonly #views: CameraView[] = [];
  #isShadowStale = true;

  /** Loads the engine and the scene. */
  static async create(arm: WorldArm): Promise<Renderer> {
    return new Renderer(await mujoco(), arm);
  }

  constructor(engine: MainModule, arm: WorldArm) {
    this.#engine = engine;
    this.#scene = new RenderScene(engine, sceneXml(arm));
    this.#shadow = new ShadowMap(engine);
  }

  get cameraNames(): string[] {
    return this.#scene.cameras.map(({ name }) => name);
  }

  /** A view of the camera with this name; undefined when the scene has none. */
  view(name: string, width: number, height: number): CameraView | undefined {
    const camera = this.#scene.cameras.find((other) => other.name === name);
    if (camera === undefined) return undefined;
    const view = new CameraView(this.#engine, camera, width, height);
    this.#views.push(view);
    return view;
  }

  /** Moves everything: generalised positions as the world publishes them. */
  setPositions(qpos: Float64Array): void {
    this.#scene.setPositions(qpos);
    this.#isShadowStale = true;
  }

  /** Draws one picture into `rgb`: rows from the top, 8 bits a channel. */
  render({ camera, grid }: CameraView, rgb: Uint8Array): void {
    if (this.#isShadowStale) this.#shadow.update(this.#scene);
    this.#isShadowStale = false;
    grid.cast(this.#scene, this.#scene.cameraPosition(camera), this.#scene.cameraAxes(camera));
    shade(grid, this.#scene, this.#shadow, rgb);
  }

  close(): void {
    for (const { grid } of this.#views) grid.close();
    this.#shadow.close();
    this.#scene.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
