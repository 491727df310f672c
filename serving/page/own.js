// Data's own names as keys: "constructor" and "toString" are columns too, and every object has such properties.

/** What `object` itself has under `name`, and not what it inherits. */
export const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);
