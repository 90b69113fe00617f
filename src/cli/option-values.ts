import { InvalidArgumentError } from 'commander';

/** Reads an option's value: a number from `least` to `most`. */
export const number = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most)) {
    throw new InvalidArgumentError(`must be a number from ${least} to ${most}.`);
  }
  return value;
};

/** The same, whole numbers only. */
export const whole = (least: number, most: number) => (text: string) => {
  const value = number(least, most)(text);
  if (!Number.isInteger(value))
    throw new InvalidArgumentError(`must be a whole number from ${least} to ${most}.`);
  return value;
};
