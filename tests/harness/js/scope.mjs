// What a test opened is closed in the opposite order, whether the test passed or not.

export function scope(t) {
  const closers = [];
  t.after(async () => {
    const failures = [];
    for (const close of closers.reverse()) {
      try {
        await close();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('\n'));
  });
  return {
    /** Registers how `resource` is closed and hands it back. */
    own(resource, close = () => resource.close()) {
      closers.push(() => close(resource));
      return resource;
    },
  };
}
