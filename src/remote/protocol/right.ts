/** What a token allows. Each right contains those before it. */
export const RIGHTS = ['observe', 'operate', 'deploy', 'admin'] as const;
export type Right = (typeof RIGHTS)[number];

/** Whether somebody with `has` may do what needs `needs`. A stop needs no more than `observe`. */
export const allows = (has: Right, needs: Right): boolean => RIGHTS.indexOf(has) >= RIGHTS.indexOf(needs);
