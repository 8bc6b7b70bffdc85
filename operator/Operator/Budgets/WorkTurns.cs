namespace Bursar.Operator.Budgets;

/// <summary>
/// Acts on one workload take turns. Where one budget gives back what another is about to park, the second write must not cross the
/// first: each looks at what the ledger holds, writes, and notes it, undisturbed.
/// </summary>
internal sealed class WorkTurns
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (SemaphoreSlim Turn, int Users)> _turns = new(StringComparer.Ordinal);

    public async Task<IDisposable> TakeAsync(string uid, CancellationToken cancellationToken)
    {
        SemaphoreSlim turn;
        lock (_gate)
        {
            var (known, users) = _turns.GetValueOrDefault(uid);
            turn = known ?? new(1);
            _turns[uid] = (turn, users + 1);
        }
        try
        {
            await turn.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Leave(uid);
            throw;
        }
        return new Held(this, uid, turn);
    }

    private void Leave(string uid)
    {
        lock (_gate)
        {
            var (turn, users) = _turns[uid];
            if (users == 1)
                _turns.Remove(uid);
            else
                _turns[uid] = (turn, users - 1);
        }
    }

    private sealed class Held(WorkTurns turns, string uid, SemaphoreSlim turn) : IDisposable
    {
        public void Dispose()
        {
            turn.Release();
            turns.Leave(uid);
        }
    }
}
