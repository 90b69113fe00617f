import { Box3, Color, Group, Mesh, MeshStandardMaterial, type Object3D } from 'three';
import URDFLoader, { type URDFJoint, type URDFRobot } from 'urdf-loader';
import type { ArmInfo } from '../../../src/remote/gateway/telemetry.ts';

/** Apart by more than this, measured and commanded pose are worth showing as two, rad or m. */
const GHOST_FROM = 0.015;

type Pose = readonly (number | null)[];

/** The drawn arm and the ghost of where it was told to be. */
export interface ArmModel {
  readonly group: Group;
  setPose(measured: Pose, commanded: Pose): void;
}

const meshes = (object: Object3D): Mesh[] => {
  const found: Mesh[] = [];
  object.traverse((part) => {
    if (part instanceof Mesh) found.push(part);
  });
  return found;
};

const colorOf = (mesh: Mesh): Color =>
  !Array.isArray(mesh.material) && 'color' in mesh.material && mesh.material.color instanceof Color
    ? mesh.material.color
    : new Color(0x8a939e);

/** One material a colour, matt plastic for the dark parts, brushed metal for the light ones. */
function dress(robot: URDFRobot): void {
  const materials = new Map<number, MeshStandardMaterial>();
  for (const mesh of meshes(robot)) {
    const color = colorOf(mesh);
    const key = color.getHex();
    const light = color.r + color.g + color.b > 1.5;
    const material =
      materials.get(key) ??
      new MeshStandardMaterial({ color, roughness: light ? 0.35 : 0.6, metalness: light ? 0.35 : 0.05 });
    materials.set(key, material);
    mesh.material = material;
    mesh.castShadow = true;
    mesh.receiveShadow = true;
  }
}

function makeGhost(robot: URDFRobot): URDFRobot {
  const ghost = robot.clone();
  const material = new MeshStandardMaterial({
    color: 0x2dd4bf,
    transparent: true,
    opacity: 0.3,
    depthWrite: false,
    // Where both are in one place the solid arm wins.
    polygonOffset: true,
    polygonOffsetFactor: 6,
    polygonOffsetUnits: 24,
  });
  for (const mesh of meshes(ghost)) {
    mesh.material = material;
    mesh.castShadow = false;
  }
  ghost.visible = false;
  return ghost;
}

/** How the numbers of a pose move the joints of the drawing: by name, and the gripper's opening shared by its fingers. */
function poser(robot: URDFRobot, joints: ArmInfo['joints']): (pose: Pose) => void {
  const moves: ((pose: Pose) => void)[] = [];
  const fingers = Object.values(robot.joints).filter(
    (joint): joint is URDFJoint => joint.jointType === 'prismatic',
  );
  joints.forEach(({ name, unit, max }, index) => {
    if (unit === 'rad') {
      const joint = robot.joints[name];
      if (joint !== undefined) joint.ignoreLimits = true;
      moves.push((pose) => joint?.setJointValue(pose[index] ?? 0));
      return;
    }
    for (const finger of fingers) {
      finger.ignoreLimits = true;
      const travel = Number(finger.limit.upper) > 0 ? Number(finger.limit.upper) : (max ?? 0) / 2;
      const share = max === null || max === 0 ? 0.5 : travel / max;
      moves.push((pose) => finger.setJointValue((pose[index] ?? 0) * share));
    }
  });
  return (pose) => {
    for (const move of moves) move(pose);
  };
}

/** Loads the URDF the server offers. Rejects when it cannot be had or has nothing to draw. */
export async function loadArmModel(info: ArmInfo): Promise<ArmModel> {
  const robot = await new URDFLoader().loadAsync(info.urdfPath ?? '');
  if (new Box3().setFromObject(robot).isEmpty())
    throw new Error(`The drawing of the ${info.model} is empty.`);
  dress(robot);
  const ghost = makeGhost(robot);
  const poseRobot = poser(robot, info.joints);
  const poseGhost = poser(ghost, info.joints);
  const group = new Group();
  group.add(robot, ghost);
  return {
    group,
    setPose(measured, commanded) {
      poseRobot(measured);
      poseGhost(commanded);
      ghost.visible = measured.some(
        (value, i) => Math.abs((value ?? 0) - (commanded[i] ?? value ?? 0)) > GHOST_FROM,
      );
    },
  };
}
