// How large a run is, and how long: a form, and what the environment changes of it.

/** Viewers are all there at once; durations are in seconds. */
const FORMS = {
  /** For a machine of two cores that has the server to carry as well. */
  short: { premiere: 30, ramp: 3, viewers: 10, seekers: 4, duration: 21, speed: 6 },
  /** For a machine, or several, beside the server's own. */
  long: { premiere: 1000, ramp: 60, viewers: 1000, seekers: 200, duration: 1800, speed: 1 },
};

const chosen = FORMS[__ENV.FORM ?? "short"];
if (chosen === undefined) throw new Error(`FORM=${__ENV.FORM}: it is one of ${Object.keys(FORMS).join(", ")}`);

/** The form of this run. PREMIERE, RAMP, VIEWERS, SEEKERS, DURATION and SPEED replace its numbers. */
export const form = Object.fromEntries(
  Object.entries(chosen).map(([name, number]) => [name, given(name.toUpperCase()) ?? number]),
);
if (form.ramp >= form.duration / 3) throw new Error("the ramp leaves nothing of the premiere, a third of DURATION");

/** The titles, each by the address of a manifest. The premiere is that of the first. */
export const manifests = (__ENV.MANIFESTS ?? "").split(/\s+/).filter((url) => url !== "");
if (manifests.length === 0) throw new Error("MANIFESTS names no title: see loadtest/k6/README.md");

function given(name) {
  if (__ENV[name] === undefined) return undefined;
  const number = Number(__ENV[name]);
  if (!(number > 0)) throw new Error(`${name}=${__ENV[name]}: it is a number above 0`);
  return number;
}
