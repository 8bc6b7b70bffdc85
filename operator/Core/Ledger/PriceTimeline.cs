namespace Bursar.Core.Ledger;

/// <summary>
/// The price of one product over time. A price applies until the next one. The first also covers the time before it, because an unpriced
/// product was never free.
/// </summary>
internal sealed class PriceTimeline
{
    private readonly List<(long At, long Nano)> _changes = [];

    public IReadOnlyList<(long At, long Nano)> Changes => _changes;

    /// <summary>Sets the price from a time on. Returns whether it changed.</summary>
    public bool Set(long at, long nano)
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

    /// <summary>Replaces all prices after a time. Returns whether any changed.</summary>
    public bool Plan(long after, IReadOnlyList<(long At, long Nano)> later)
    {
        var kept = _changes.FindLastIndex(change => change.At <= after) + 1;
        if (_changes.Skip(kept).SequenceEqual(later))
            return false;
        _changes.RemoveRange(kept, _changes.Count - kept);
        _changes.AddRange(later);
        return true;
    }

    /// <summary>Deletes the prices before a time, except for the one then in force.</summary>
    public void Forget(long before)
    {
        var inForce = _changes.FindLastIndex(change => change.At <= before);
        if (inForce > 0)
            _changes.RemoveRange(0, inForce);
    }

    /// <summary>Returns the price at a time. Before the first change, that is the first price.</summary>
    public long At(long at) => _changes[Math.Max(0, _changes.FindLastIndex(change => change.At <= at))].Nano;

    /// <summary>Adds the spans of [from, to), cut at the changes.</summary>
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

/// <summary>[From, To) at a rate per GPU. A null rate means that the product has no price.</summary>
internal readonly record struct RatedSpan(long From, long To, long? Nano)
{
    /// <summary>The part of a device that the rate applies to, if it changes over the pod's life. Null: the pod's own.</summary>
    public DeviceShare? Share { get; init; }
}
