namespace Bursar.Tests.Simulation;

/// <summary>Virtual time: what is due next happens next; what is due together happens in the order it was asked for.</summary>
public sealed class ScenarioQueue(DateTimeOffset start)
{
    private readonly PriorityQueue<Action, (long At, long Order)> _due = new();
    private long _order;

    public DateTimeOffset Now { get; private set; } = start;

    public void At(DateTimeOffset at, Action happens)
    {
        // Whole milliseconds, as the API and the ledger know them.
        var when = Math.Max(Now.ToUnixTimeMilliseconds(), at.ToUnixTimeMilliseconds());
        _due.Enqueue(happens, (when, _order++));
    }

    public void After(TimeSpan delay, Action happens) => At(Now + delay, happens);

    public void RunUntil(DateTimeOffset end)
    {
        while (_due.TryPeek(out _, out var next) && next.At <= end.ToUnixTimeMilliseconds())
        {
            var happens = _due.Dequeue();
            Now = DateTimeOffset.FromUnixTimeMilliseconds(next.At);
            happens();
        }
        Now = end;
    }
}

/// <summary>The clock of what the operator writes.</summary>
internal sealed class QueueClock(ScenarioQueue queue) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => queue.Now;
}
