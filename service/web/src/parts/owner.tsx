import { seesAll } from "../api/session.ts";

/** Whose something in a list is, for those who see what everybody has. */
export const OwnerNote = ({ owner }: { owner?: string | null }) =>
  seesAll.value ? <small>{owner ? `of ${owner}` : "of nobody"}</small> : null;
