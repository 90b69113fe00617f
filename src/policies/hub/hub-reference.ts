/** A model on the Hub, as people write it: `user/name` or `user/name@revision`. */
export interface HubReference {
  /** `user/name`. */
  readonly id: string;
  /** Branch, tag or commit. Default `main`. */
  readonly revision: string;
}

const NAME = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}';
const REFERENCE = new RegExp(`^(${NAME}/${NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{0,127}))?$`);

/** Reads a reference, or gives undefined when the text cannot be one (a path, for instance). */
export function parseHubReference(text: string): HubReference | undefined {
  const [, id, revision = 'main'] = REFERENCE.exec(text) ?? [];
  // The Hub allows neither; the cache's folder names depend on it.
  if (id === undefined || /--|\.\./.test(id) || /\.\.|\/\/|\/$/.test(revision)) return undefined;
  return { id, revision };
}

export const hubReferenceText = ({ id, revision }: HubReference): string =>
  revision === 'main' ? id : `${id}@${revision}`;

/** Whether a revision names one commit for good. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);
