namespace Bursar.Agent.Nvml;

/// <summary>How long the library's functions take, by their names, in the order in which they were first called.</summary>
public sealed class NvmlCallTimes(TimeProvider time)
{
    private readonly Dictionary<string, NvmlCallTime> _calls = new(StringComparer.Ordinal);
    private readonly List<string> _order = [];

    public IReadOnlyList<(string Call, NvmlCallTime Time)> All => [.. _order.Select(call => (call, _calls[call]))];

    internal long Begin() => time.GetTimestamp();

    internal void Done(string call, long begun)
    {
        var took = time.GetElapsedTime(begun);
        if (!_calls.TryGetValue(call, out var before))
            _order.Add(call);
        _calls[call] = new NvmlCallTime(before.Count + 1, before.Total + took, took > before.Longest ? took : before.Longest);
    }
}

/// <param name="Count">Calls.</param>
/// <param name="Total">The time of all of them.</param>
/// <param name="Longest">The time of the longest.</param>
public readonly record struct NvmlCallTime(long Count, TimeSpan Total, TimeSpan Longest)
{
    public TimeSpan Mean => Count == 0 ? TimeSpan.Zero : Total / Count;
}
