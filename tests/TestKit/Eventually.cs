using System.Diagnostics;

namespace Bursar.Tests.TestKit;

public static class Eventually
{
    /// <summary>Waits for a condition of the world outside the clock's reach (sockets, other threads), half a minute at most.</summary>
    public static Task TrueAsync(Func<bool> condition, string what) => TrueAsync(() => Task.FromResult(condition()), what);

    public static async Task TrueAsync(Func<Task<bool>> condition, string what)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(30), "{0}", what);
            await Task.Delay(10);
        }
    }
}

public static class AgentClock
{
    /// <summary>When the clocks of the agent's tests start.</summary>
    public static readonly DateTimeOffset Start = new(2026, 11, 21, 8, 0, 0, TimeSpan.Zero);
}
