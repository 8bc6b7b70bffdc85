namespace Bursar.Core.Ledger;

/// <summary>
/// What one product cost when. A statement holds until the next; the first also covers the time before it, since work
/// that ran while its product had no price was never free.
/// </summary>
internal sealed class PriceTimeline
{
    private readonly List<(long At, long Nano)> _changes = [];

    public IReadOnlyList<(long At, long Nano)> Changes => _changes;

    /// <summary>True when this says something new.</summary>
    public bool State(long at, long nano)
    {
        var index = _changes.FindLastIndex(change => change.At <= at);
        if (index >= 0 && _changes[index].Nano == nano)
            return false;
        if (index >= 0 && _changes[index].At == at)
            _changes[index] = (at, nano);
        else
            _changes.Insert(index + 1, (at, nano));
        return true;
    }

    /// <summary>Puts what is said for the time after a moment in the place of what was said before.</summary>
    public bool Plan(long after, IReadOnlyList<(long At, long Nano)> later)
    {
        var kept = _changes.FindLastIndex(change => change.At <= after) + 1;
        if (_changes.Skip(kept).SequenceEqual(later))
            return false;
        _changes.RemoveRange(kept, _changes.Count - kept);
        _changes.AddRange(later);
        return true;
    }

    /// <summary>Forgets what was before a moment; the price in force then stays.</summary>
    public void Forget(long before)
    {
        var inForce = _changes.FindLastIndex(change => change.At <= before);
        if (inForce > 0)
            _changes.RemoveRange(0, inForce);
    }

    /// <summary>The price at a moment; before the first statement, that one's.</summary>
    public long At(long at) => _changes[Math.Max(0, _changes.FindLastIndex(change => change.At <= at))].Nano;

    /// <summary>Hands on [from, to) cut at the changes.</summary>
    public void Cut(List<RatedSpan> into, long from, long to)
    {
        var index = _changes.Count - 1;
        while (index > 0 && _changes[index].At > from)
            index--;
        while (from < to)
        {
            var end = index + 1 < _changes.Count ? Math.Min(to, _changes[index + 1].At) : to;
            if (end > from)
                into.Add(new(from, end, _changes[index].Nano));
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
