namespace Bursar.Core.Ledger;

/// <summary>
/// What one product cost when. A statement holds until the next; the first also covers the time before it, since work
/// that ran while its product had no price was never free.
/// </summary>
internal sealed class PriceTimeline
{
    private readonly List<(long At, long Nano)> changes = [];

    public IReadOnlyList<(long At, long Nano)> Changes => changes;

    /// <summary>True when this says something new.</summary>
    public bool State(long at, long nano)
    {
        var index = changes.FindLastIndex(change => change.At <= at);
        if (index >= 0 && changes[index].Nano == nano) return false;
        if (index >= 0 && changes[index].At == at) changes[index] = (at, nano);
        else changes.Insert(index + 1, (at, nano));
        return true;
    }

    /// <summary>Puts what is said for the time after a moment in the place of what was said before.</summary>
    public bool Plan(long after, IReadOnlyList<(long At, long Nano)> later)
    {
        var kept = changes.FindLastIndex(change => change.At <= after) + 1;
        if (changes.Skip(kept).SequenceEqual(later)) return false;
        changes.RemoveRange(kept, changes.Count - kept);
        changes.AddRange(later);
        return true;
    }

    /// <summary>Forgets what was before a moment; the price in force then stays.</summary>
    public void Forget(long before)
    {
        var inForce = changes.FindLastIndex(change => change.At <= before);
        if (inForce > 0) changes.RemoveRange(0, inForce);
    }

    /// <summary>The price at a moment; before the first statement, that one's.</summary>
    public long At(long at) => changes[Math.Max(0, changes.FindLastIndex(change => change.At <= at))].Nano;

    /// <summary>Hands on [from, to) cut at the changes.</summary>
    public void Cut(List<RatedSpan> into, long from, long to)
    {
        var index = changes.Count - 1;
        while (index > 0 && changes[index].At > from) index--;
        while (from < to)
        {
            var end = index + 1 < changes.Count ? Math.Min(to, changes[index + 1].At) : to;
            if (end > from) into.Add(new(from, end, changes[index].Nano));
            from = end;
            index++;
        }
    }
}

/// <summary>[From, To) at a rate per GPU; no rate while the product has none.</summary>
internal readonly record struct RatedSpan(long From, long To, long? Nano)
{
    /// <summary>What part of a device the rate is of, where that changes over the pod's life; null: the pod's.</summary>
    public DeviceShare? Share { get; init; }
}
