namespace Bursar.Agent.Nvml;

/// <summary>Durations of the library's functions by name, in the order of their first call.</summary>
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

public readonly record struct NvmlCallTime(long Count, TimeSpan Total, TimeSpan Longest)
{
    public TimeSpan Mean => Count == 0 ? TimeSpan.Zero : Total / Count;
}
