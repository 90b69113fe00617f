import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { armBusCheck } from './arm-bus.ts';
import { camerasCheck, type DeviceFolders } from './cameras.ts';
import type { Check, Finding } from './check.ts';
import { firewallCheck } from './firewall.ts';
import { latencyFinding } from './latency.ts';
import { nodeVersionCheck } from './node-version.ts';
import { listeningInodes } from './port-holder.ts';
import { hostAndPort, parseServer } from './server-address.ts';

let folder: string;
let folders: DeviceFolders;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'myelin-doctor-'));
  folders = { dev: join(folder, 'dev'), sys: join(folder, 'sys') };
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (path: string, text = ''): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};

const look = async (check: Check): Promise<Finding[]> => [
  ...(await check.look(new AbortController().signal)),
];
const one = async (check: Check): Promise<Finding> => (await look(check))[0] as Finding;

const camera = (n: number, name: string, index = 0): void => {
  file(join(folders.dev, `video${n}`));
  file(join(folders.sys, `class/video4linux/video${n}/name`), `${name}\n`);
  file(join(folders.sys, `class/video4linux/video${n}/index`), `${index}\n`);
};

describe('Node', () => {
  it('is too old below 20.19', async () => {
    expect(await one(nodeVersionCheck('20.18.3'))).toMatchObject({ verdict: 'problem' });
    expect(await one(nodeVersionCheck('18.20.0'))).toMatchObject({ verdict: 'problem' });
    expect(await one(nodeVersionCheck('20.19.0'))).toMatchObject({ verdict: 'ok' });
    expect(await one(nodeVersionCheck('24.1.0'))).toMatchObject({ verdict: 'ok' });
  });
});

describe('cameras', () => {
  it('are listed by number and name, without the nodes that give no pictures', async () => {
    camera(10, 'Wrist');
    camera(2, 'C920');
    camera(3, 'C920', 1);
    const seen = (await look(camerasCheck([], folders))).map((finding) => finding.seen);
    expect(seen.filter((text) => text.includes('/dev/video'))).toEqual([
      `${folders.dev}/video2 (C920)`,
      `${folders.dev}/video10 (Wrist)`,
    ]);
  });

  it('that are asked for and missing are a problem that names those there are', async () => {
    camera(0, 'C920');
    expect(await one(camerasCheck(['front=2'], folders))).toMatchObject({
      verdict: 'problem',
      seen: `${folders.dev}/video2 is not there`,
      hint: expect.stringContaining('there are video0'),
    });
    camera(1, 'C920', 1);
    expect(await one(camerasCheck(['1'], folders))).toMatchObject({
      verdict: 'problem',
      seen: expect.stringContaining('gives no pictures'),
    });
    expect(await one(camerasCheck(['wrist=0'], folders))).toMatchObject({ verdict: 'ok' });
  });
});

describe('the arm', () => {
  const net = (name: string, type: number, flags: number): void => {
    file(join(folders.sys, `class/net/${name}/type`), `${type}\n`);
    file(join(folders.sys, `class/net/${name}/flags`), `0x${flags.toString(16)}\n`);
  };

  it('is looked for on the CAN interface asked for, which must be there and up', async () => {
    net('can0', 280, 0x40081);
    net('can1', 280, 0x40080);
    net('eth0', 1, 0x1003);
    expect(await one(armBusCheck(['can0'], folders))).toMatchObject({ verdict: 'ok', seen: 'can0 is up' });
    expect(await one(armBusCheck(['can1'], folders))).toMatchObject({
      verdict: 'problem',
      seen: 'can1 is down',
      hint: expect.stringContaining('ip link set can1 up'),
    });
    expect(await one(armBusCheck(['can7'], folders))).toMatchObject({
      verdict: 'problem',
      hint: expect.stringContaining('there are can0, can1'),
    });
    expect(await one(armBusCheck(['eth0'], folders))).toMatchObject({ seen: 'eth0 is no CAN interface' });
  });

  it('is looked for at a serial port by path, link or slcan name', async () => {
    file(join(folders.dev, 'ttyACM0'));
    mkdirSync(join(folders.dev, 'serial/by-id'), { recursive: true });
    symlinkSync(join(folders.dev, 'ttyACM0'), join(folders.dev, 'serial/by-id/usb-Feetech'));
    for (const name of [
      join(folders.dev, 'ttyACM0'),
      `slcan:${join(folders.dev, 'ttyACM0')}@3000000`,
      join(folders.dev, 'serial/by-id/usb-Feetech'),
    ])
      expect(await one(armBusCheck([name], folders))).toMatchObject({ verdict: 'ok' });
    expect(await one(armBusCheck([join(folders.dev, 'ttyACM1')], folders))).toMatchObject({
      verdict: 'problem',
      hint: expect.stringContaining('there are ttyACM0'),
    });
    const [port] = await look(armBusCheck([], folders));
    expect(port?.seen).toContain('ttyACM0 (usb-Feetech)');
  });

  it('that nobody asked for is in nobody’s way', async () => {
    net('can1', 280, 0x40080);
    expect(await one(armBusCheck([], folders))).toMatchObject({ verdict: 'warning', seen: 'can1 is down' });
    expect(await one(armBusCheck(['world:demo'], folders))).toMatchObject({ verdict: 'ok' });
  });
});

describe('a firewall', () => {
  it('matters only beyond this machine, and is told how to let clients in', async () => {
    const paths = { ufw: join(folder, 'ufw.conf'), firewalld: join(folder, 'firewalld') };
    file(paths.ufw, '# x\nENABLED=yes\n');
    expect(await one(firewallCheck([8080], '127.0.0.1', paths))).toMatchObject({ verdict: 'ok' });
    expect(await one(firewallCheck([8080], '0.0.0.0', paths))).toMatchObject({
      verdict: 'warning',
      hint: expect.stringContaining('sudo ufw allow 8080/tcp'),
    });
    file(paths.ufw, 'ENABLED=no\n');
    expect(await one(firewallCheck([8080], '0.0.0.0', paths))).toMatchObject({ verdict: 'ok' });
    mkdirSync(paths.firewalld);
    expect(await one(firewallCheck([8080, 8001], '0.0.0.0', paths))).toMatchObject({
      hint: expect.stringContaining('--add-port=8080/tcp --add-port=8001/tcp'),
    });
  });
});

describe('a server’s address', () => {
  it('is LeRobot’s without a scheme, and has the usual port of its protocol', () => {
    expect(parseServer('gpu:9000')).toMatchObject({
      protocol: 'lerobot',
      host: 'gpu',
      port: 9000,
      tls: false,
    });
    expect(parseServer('gpu')).toMatchObject({ port: 8080 });
    expect(parseServer('openpi://gpu')).toMatchObject({ protocol: 'openpi', port: 8001 });
    expect(parseServer('wss://gpu/openpi/policy')).toMatchObject({ tls: true, path: '/openpi/policy' });
    expect(parseServer('pi05://10.0.0.2:8765')).toMatchObject({ protocol: 'pi05', port: 8765 });
    expect(hostAndPort(parseServer('[::1]:8080'))).toBe('[::1]:8080');
  });

  it('is a pool’s as commands take it, and is shown without its password', () => {
    const pool = { protocol: 'nats', host: 'box', port: 4222, text: 'nats://box:4222' };
    expect(parseServer('nats://box')).toMatchObject(pool);
    expect(parseServer('pool:nats://ann:secret@box?model=fold')).toMatchObject(pool);
    expect(parseServer('tls://box:4333,tls://other')).toMatchObject({ host: 'box', port: 4333, tls: true });
    expect(() => parseServer('pool:nats://ann:secret@')).toThrow(/^(?!.*secret)/);
  });

  it('is an address or is refused with the syntax, whatever the text', () => {
    const part = fc.constantFrom(
      'gpu',
      'openpi',
      'pi05',
      'nats',
      'pool:',
      '://',
      ':',
      '8080',
      '99999',
      '0',
      '/',
      '@',
      '[',
      '::1',
      ']',
      ' ',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(part).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (address) => {
        try {
          const { host, port } = parseServer(address);
          expect(host).not.toBe('');
          expect(port).toBeGreaterThan(0);
          expect(port).toBeLessThan(65_536);
        } catch (error) {
          expect((error as Error).message).toContain('must be HOST:PORT');
        }
      }),
    );
  });
});

describe('who listens at a port', () => {
  it('is found in the kernel’s table by port and state', () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0 20 4 30 10 -1
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 333 1 0 100 0 0 10 0`;
    expect(listeningInodes(table, 8080)).toEqual(['111']);
    expect(listeningInodes(table, 80)).toEqual([]);
    expect(listeningInodes('', 8080)).toEqual([]);
  });
});

describe('a latency baseline', () => {
  it('leaves the first round trip out, and stops when time is up', async () => {
    let trips = 0;
    const finding = await latencyFinding(5, 30, new AbortController().signal, async () => {
      trips += 1;
    });
    expect(trips).toBe(6);
    expect(finding).toMatchObject({ verdict: 'ok', values: { rounds: 5 } });
    const stopped = new AbortController();
    const cut = await latencyFinding(1000, 30, stopped.signal, async () => {
      trips += 1;
      if (trips > 9) stopped.abort();
    });
    expect(cut.values?.rounds).toBeLessThan(10);
  });
});
