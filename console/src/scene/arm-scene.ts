import type { ReadonlySignal } from '@preact/signals';
import {
  DirectionalLight,
  GridHelper,
  HemisphereLight,
  Mesh,
  Object3D,
  PCFShadowMap,
  PerspectiveCamera,
  PlaneGeometry,
  Scene,
  ShadowMaterial,
  WebGLRenderer,
} from 'three';
import { OrbitControls } from 'three/examples/jsm/controls/OrbitControls.js';
import type { ArmInfo, Telemetry } from '../../../src/remote/gateway/telemetry.ts';
import { loadArmModel } from './arm-model.ts';
import { loadTableModel, type TableModel } from './table-model.ts';

/** Robots have z upwards. */
Object3D.DEFAULT_UP.set(0, 0, 1);

const MAX_PIXEL_RATIO = 2;

export interface ArmScene {
  readonly close: () => void;
}

function makeRenderer(): WebGLRenderer {
  try {
    const renderer = new WebGLRenderer({ antialias: true, alpha: true, powerPreference: 'low-power' });
    renderer.shadowMap.enabled = true;
    renderer.shadowMap.type = PCFShadowMap;
    renderer.setPixelRatio(Math.min(devicePixelRatio, MAX_PIXEL_RATIO));
    return renderer;
  } catch (cause) {
    throw new Error('This browser cannot draw in three dimensions (WebGL is off).', { cause });
  }
}

function light(scene: Scene): void {
  scene.add(new HemisphereLight(0xe8f0ff, 0x6b6257, 1.6));
  const sun = new DirectionalLight(0xffffff, 2.4);
  sun.position.set(0.7, -0.8, 1.4);
  sun.target.position.set(0.2, 0, 0);
  sun.castShadow = true;
  sun.shadow.mapSize.set(1024, 1024);
  sun.shadow.normalBias = 0.004;
  Object.assign(sun.shadow.camera, { left: -0.8, right: 0.8, top: 0.8, bottom: -0.8, near: 0.2, far: 3.5 });
  const fill = new DirectionalLight(0xbfd4ff, 0.6);
  fill.position.set(-0.8, 0.9, 0.6);
  scene.add(sun, sun.target, fill);
}

/** The floor of an arm without a world: a grid that fades into the page, and the arm's shadow. */
function floor(scene: Scene): Object3D {
  const group = new Object3D();
  const grid = new GridHelper(2, 20, 0x7d8896, 0x7d8896);
  grid.rotation.x = Math.PI / 2;
  grid.material.transparent = true;
  grid.material.opacity = 0.25;
  const shadow = new Mesh(new PlaneGeometry(4, 4), new ShadowMaterial({ opacity: 0.25 }));
  shadow.receiveShadow = true;
  group.add(grid, shadow);
  scene.add(group);
  return group;
}

/** Draws into `host` whatever `telemetry` says, only when something moved and somebody can see it. */
export async function openArmScene(
  host: HTMLElement,
  info: ArmInfo,
  telemetry: ReadonlySignal<Telemetry | undefined>,
): Promise<ArmScene> {
  const arm = await loadArmModel(info);
  const renderer = makeRenderer();
  const scene = new Scene();
  const camera = new PerspectiveCamera(36, 1, 0.02, 10);
  const controls = new OrbitControls(camera, renderer.domElement);
  camera.position.set(1.24, -0.96, 0.78);
  controls.target.set(0.15, 0.0, 0.13);
  controls.minDistance = 0.35;
  controls.maxDistance = 3;
  controls.maxPolarAngle = Math.PI * 0.52;
  light(scene);
  const ground = floor(scene);
  scene.add(arm.group);
  host.append(renderer.domElement);

  let dirty = true;
  let seen = true;
  let frame = 0;
  let closed = false;
  let table: TableModel | undefined;
  let tableAsked = false;

  const draw = () => {
    frame = requestAnimationFrame(draw);
    if (!dirty || !seen) return;
    dirty = false;
    renderer.render(scene, camera);
  };
  const show = (now: Telemetry | undefined) => {
    if (now?.arm != null) arm.setPose(now.arm.position, now.arm.commanded);
    const world = now?.world;
    if (world != null && !tableAsked && world.scenePath !== null) {
      tableAsked = true;
      loadTableModel(world.scenePath).then(
        (model) => {
          if (closed) return;
          table = model;
          ground.visible = false;
          scene.add(model.group);
          dirty = true;
        },
        // The arm alone is still worth seeing; the next look at the world tries again.
        () => (tableAsked = false),
      );
    }
    if (world != null) table?.setObjects(world.objects);
    dirty = true;
  };
  const resize = () => {
    const { clientWidth: width, clientHeight: height } = host;
    if (width === 0 || height === 0) return;
    renderer.setSize(width, height);
    camera.aspect = width / height;
    // A narrow picture would cut the table; look from farther away through a wider lens.
    camera.fov = camera.aspect < 1.4 ? 36 + (1.4 - camera.aspect) * 22 : 36;
    camera.updateProjectionMatrix();
    dirty = true;
  };
  const resizing = new ResizeObserver(resize);
  resizing.observe(host);
  const watching = new IntersectionObserver(([entry]) => {
    seen = entry?.isIntersecting ?? true;
  });
  watching.observe(host);
  controls.addEventListener('change', () => (dirty = true));
  controls.update();
  const unsubscribe = telemetry.subscribe(show);
  resize();
  draw();

  return {
    close() {
      closed = true;
      cancelAnimationFrame(frame);
      unsubscribe();
      resizing.disconnect();
      watching.disconnect();
      controls.dispose();
      renderer.dispose();
      renderer.domElement.remove();
    },
  };
}
