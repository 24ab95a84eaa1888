// Follows what changes: asks about it again and again, and the latest wins.

// follower calls ask(), which ends what it is still at and gives a promise that never rejects. While something moves, the
// next question waits for the answer before it, so that there is one now and then; what has come to rest waits for none.
export function follower(ask, patienceMs = 120) {
  let timer;
  let asking;
  let stale = false;

  async function next() {
    clearTimeout(timer);
    timer = undefined;
    stale = false;
    const mine = (asking = ask());
    await mine;
    if (asking !== mine) return;
    asking = undefined;
    if (stale) next();
  }

  return {
    changed(settled) {
      stale = true;
      if (settled) clearTimeout(timer);
      else if (asking || timer) return;
      timer = setTimeout(next, patienceMs);
    },
    leave() {
      clearTimeout(timer);
      timer = asking = undefined;
      stale = false;
    },
  };
}
