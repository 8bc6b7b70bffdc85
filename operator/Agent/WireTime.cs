namespace Bursar.Agent;

/// <summary>The wire contract counts whole milliseconds.</summary>
internal static class WireTime
{
    public static DateTimeOffset Truncate(DateTimeOffset at) => at.AddTicks(-(at.Ticks % TimeSpan.TicksPerMillisecond));
}
