// Adds versions to a project store and switches between them without end, until it is killed.
// node store-child.mjs STORAGE ARCHIVE...   It prints a line when it begins, and one for each switch.
import { DiskStore } from '../../dist/remote/projects/disk-store.js';

const [storageDir, ...archives] = process.argv.slice(2);
const kinds = [{ language: 'python', recognises: (files) => files.includes('main.py') }];
const pick = (list) => list[Math.floor(Math.random() * list.length)];

process.stdin.once('data', async () => {
  process.stdout.write('begins\n');
  const store = await DiskStore.open({ storageDir, kinds, keep: 3 });
  for (;;) {
    try {
      const { project, id } = await store.add(pick(archives));
      await store.switchTo(project, id);
      process.stdout.write('switched\n');
      if (Math.random() < 0.3) await store.rollback(project);
      await store.current();
    } catch (error) {
      // The other process may have pruned a version, or have gone back before the first one.
      if (error.code !== 'VERSION_UNKNOWN') {
        process.stdout.write(`failed: ${error.stack}\n`);
        process.exit(1);
      }
    }
  }
});
process.stdout.write('ready\n');
