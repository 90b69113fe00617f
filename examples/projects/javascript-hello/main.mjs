// A project in JavaScript: exported instances can be called by name, exported functions without one.
// The runner provides pushMessage(event, data), which sends an event to every client.

class Greeter {
  greeted = 0;

  hello({ name = 'world' } = {}) {
    this.greeted += 1;
    console.log(`greeting ${name}`); // goes to the project's log
    globalThis.pushMessage?.('greeted', { name, count: this.greeted });
    return { status: 'success', message: `Hello, ${name}!`, count: this.greeted };
  }
}

export const greeter = new Greeter();

export const add = (a, b) => a + b;
