import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { armDescription } from '../src/arms/catalogue.ts';
import { EventCode } from '../src/control/event-codes.ts';
import { EventWriter } from '../src/control/events.ts';
import { ControlState, Request } from '../src/core/control-state.ts';
import { monotonicNs, systemClock, unixS } from '../src/platform/clock.ts';
import { packageRoot } from '../src/platform/entry.ts';
import { ArmTelemetry } from '../src/remote/gateway/arm-telemetry.ts';
import { EventLog } from '../src/remote/gateway/event-log.ts';
import { type PageServer, startPageServer } from '../src/remote/gateway/page-server.ts';
import { ArmSegment } from '../src/segment/arm-segment.ts';
import { CameraWriter } from '../src/segment/camera-ring.ts';
import { Lease } from '../src/segment/lease.ts';
import { WorldSegment } from '../src/segment/world-segment.ts';
import { sharedMemoryWith, uniqueName } from './support/processes.ts';

const CHROMIUM = '/usr/bin/chromium';
const PAGE_FOLDER = join(packageRoot(), 'dist', 'console');
const missing = [CHROMIUM, join(PAGE_FOLDER, 'index.html')].filter((file) => !existsSync(file));
if (missing.length > 0) console.log(`page tests are skipped: ${missing.join(' and ')} not there`);

const X5 = armDescription('X5');

/** A control process, a world and a camera as others see them: real segments, filled by the test. */
class Scene {
  readonly name = uniqueName('page');
  readonly events = new EventLog(unixS);
  readonly told: string[] = [];
  arm: ArmSegment | undefined;
  readonly world = WorldSegment.create(this.name, { arm: 'X5' });
  readonly camera = CameraWriter.create(this.name, { width: 32, height: 24, frequencyHz: 30 });
  lease: Lease | undefined;
  source: ArmTelemetry | undefined;
  server: PageServer | undefined;
  state: number = ControlState.IDLE;
  readonly #heart = setInterval(() => this.tick(), 10);

  async open(): Promise<void> {
    this.startArm();
    const modelsFolder = join(packageRoot(), 'models');
    const { name, events } = this;
    this.source = new ArmTelemetry({
      segment: name,
      world: name,
      cameras: [name],
      clock: systemClock,
      events,
      modelsFolder,
    });
    this.server = await startPageServer({
      source: this.source,
      events,
      port: 0,
      pageFolder: PAGE_FOLDER,
      modelsFolder,
      canQuit: true,
      onControl: (request) => this.told.push(request),
    });
  }

  startArm(): void {
    const arm = ArmSegment.create(this.name, { dof: 7, model: 'X5', interfaceName: `world:${this.name}` });
    arm.fields.positionMin.set(X5.limits.positionMin);
    arm.fields.positionMax.set(X5.limits.positionMax);
    arm.fields.controlFrequencyHz = 500;
    arm.fields.watchdogTimeoutS = 1;
    this.lease = Lease.acquire(arm, 'the test', monotonicNs());
    arm.fields.policyName = 'a scripted policy';
    arm.fields.task = 'sort the cubes';
    arm.fields.queueDepth = 21;
    arm.fields.queueCapacity = 36;
    new EventWriter(arm.memory.buffer).push(monotonicNs(), EventCode.WARM, 0, 1, 66);
    this.arm = arm;
    this.tick();
  }

  stopArm(): void {
    this.arm?.unlink();
    this.arm?.close();
    this.arm = undefined;
    this.lease = undefined;
  }

  /** What the three processes would write now. */
  tick(): void {
    const nowNs = monotonicNs();
    const { arm, world, camera } = this;
    if (arm !== undefined) {
      this.lease?.heartbeat(nowNs, unixS());
      arm.beginState();
      arm.fields.controlState = this.state;
      arm.fields.tickNs = nowNs;
      arm.fields.position.set(X5.home);
      arm.fields.commandedPosition.set(X5.home);
      arm.fields.motorTemperatureC.fill(41, 0, 7);
      arm.endState();
      arm.fields.ticks += 5;
    }
    world.begin();
    world.fields.objectCount = 1;
    world.fields.objectNames = 'red_cube';
    world.fields.objectPoses.set([0.3, 0, 0.02, 1, 0, 0, 0]);
    world.end();
    camera.frame.fill(128);
    camera.publish(nowNs, unixS());
  }

  async close(): Promise<void> {
    clearInterval(this.#heart);
    await this.server?.close();
    this.source?.close();
    this.stopArm();
    this.world.unlink();
    this.world.close();
    this.camera.close();
  }
}

describe.skipIf(missing.length > 0)('the page in a real browser', () => {
  let browser: Browser;
  let page: Page;
  let scene: Scene;
  let complaints: string[];

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    });
  });
  afterAll(async () => browser.close());

  beforeEach(async () => {
    complaints = [];
    scene = new Scene();
    await scene.open();
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await page.goto(scene.server?.url ?? '');
    await page.waitForSelector('[data-state="IDLE"]');
  });
  afterEach(async () => {
    await page.close();
    await scene.close();
    expect(sharedMemoryWith(scene.name)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  const seesState = (state: string) => page.waitForSelector(`[data-state="${state}"]`);
  const requests = () => scene.arm?.takeRequests() ?? 0;
  /** Waits until the page has had an answer from the server. */
  const answered = (text: string) => page.getByText(text).first().waitFor();

  it('shows arm, commander, joints, camera, queue and what happened', async () => {
    scene.events.add('infer', 'alarm', 'was killed (SIGKILL)');
    await page.getByText('was killed (SIGKILL)').waitFor();
    await page.getByText('The motor of joint2 is warm: 66 degC').waitFor();
    const text = await page.locator('body').textContent();
    for (const part of [
      'X5 on world:',
      'the test',
      'a scripted policy',
      'sort the cubes',
      '21 of 36',
      '41 °C',
      scene.name,
    ]) {
      expect(text).toContain(part);
    }
    expect(await page.locator('.joints tbody tr').count()).toBe(7);
    expect(await page.locator('.joints').textContent()).toContain('88.0 mm');
    await page.waitForSelector('.scene canvas');
    await page.waitForFunction(
      `document.querySelector('.camera canvas')?.getContext('2d').getImageData(5, 5, 1, 1).data[0] === 128`,
    );
  });

  it('sets the stop bit when Stop is pressed', async () => {
    await page.getByRole('button', { name: 'STOP' }).click();
    await answered('Asked for stop.');
    expect(requests()).toBe(Request.STOP);
    scene.state = ControlState.EMERGENCY_STOP;
    await seesState('EMERGENCY_STOP');
    expect(await page.getByRole('button', { name: 'STOP' }).isEnabled()).toBe(true);
  });

  it('starts, pauses and resets by its buttons, offering only what the state allows', async () => {
    const button = (name: string) => page.getByRole('button', { name, exact: true });
    expect(await button('Pause').isDisabled()).toBe(true);
    await button('Start').click();
    await answered('Asked for start.');
    expect(requests()).toBe(Request.START);
    scene.state = ControlState.RUNNING;
    await seesState('RUNNING');
    expect(await button('Start').isDisabled()).toBe(true);
    await button('Pause').click();
    await answered('Asked for pause.');
    expect(requests()).toBe(Request.PAUSE);
    await button('Reset').click();
    await answered('Asked for reset.');
    expect(requests()).toBe(Request.RESET);
  });

  it('knows the keys: Space starts and pauses, R resets, Esc stops, Q asks before it quits', async () => {
    await page.keyboard.press('Space');
    await answered('Asked for start.');
    expect(requests()).toBe(Request.START);
    scene.state = ControlState.RUNNING;
    await seesState('RUNNING');
    await page.keyboard.press('Space');
    await answered('Asked for pause.');
    expect(requests()).toBe(Request.PAUSE);
    await page.keyboard.press('r');
    await answered('Asked for reset.');
    expect(requests()).toBe(Request.RESET);
    await page.keyboard.press('q');
    await page.getByRole('dialog').waitFor();
    expect(scene.told).not.toContain('quit');
    await page.keyboard.press('Escape');
    await answered('Asked for stop.');
    expect(requests()).toBe(Request.STOP);
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.keyboard.press('q');
    await page.getByRole('button', { name: 'Quit', exact: true }).click();
    await answered('Ending');
    expect(scene.told.at(-1)).toBe('quit');
  });

  it('follows a control process that goes and another that comes', async () => {
    scene.stopArm();
    await seesState('NO ARM');
    await page.getByText('No control process is running.').waitFor();
    scene.state = ControlState.PAUSED;
    scene.startArm();
    await seesState('PAUSED');
    await page.getByRole('button', { name: 'STOP' }).click();
    await answered('Asked for stop.');
    expect(requests()).toBe(Request.STOP);
  });

  it('marks what it shows as old when the control process freezes', async () => {
    await page.waitForSelector('.joints:not(.is-stale)');
    scene.tick = () => undefined;
    await page.waitForSelector('.joints.is-stale');
  });

  it('says that the connection is lost, keeps a Stop, and delivers it first when it is back', async () => {
    const port = scene.server?.port ?? 0;
    await scene.server?.close();
    await page.getByRole('alert').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Your Stop is kept').waitFor();
    complaints.length = 0; // The browser logs every failed attempt to connect.
    const { source, events } = scene;
    if (source === undefined) throw new Error('the scene is not open');
    scene.server = await startPageServer({ source, events, port });
    await page.getByRole('alert').waitFor({ state: 'hidden' });
    await answered('Asked for stop.');
    expect(requests()).toBe(Request.STOP);
    complaints.length = 0;
  });

  it.each([360, 1280, 2560])(
    'fits %i pixels without scrolling sideways, with Stop in view',
    async (width) => {
      await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
      await page.waitForSelector('.scene canvas');
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      const stop = await page.getByRole('button', { name: 'STOP' }).boundingBox();
      const others = await page
        .locator('.ask')
        .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().width));
      expect(stop?.width).toBeGreaterThan(Math.max(...others));
      expect((stop?.y ?? 1e9) + (stop?.height ?? 0)).toBeLessThanOrEqual(width === 360 ? 740 : 900);
    },
  );
});
