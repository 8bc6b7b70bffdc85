namespace Bursar.Agent;

/// <summary>Truncates times to the whole milliseconds of the wire format.</summary>
internal static class WireTime
{
    public static DateTimeOffset Truncate(DateTimeOffset at) => at.AddTicks(-(at.Ticks % TimeSpan.TicksPerMillisecond));
}
