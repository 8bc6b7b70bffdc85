using Bursar.Operator.Commands;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

public sealed class WindowForecastTests
{
    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>
    /// Half an hour of each hour costs 1.53. The day, of which four hours are over, then costs about 23 of 18, although what runs fits.
    /// </summary>
    [Fact]
    public async Task Day_is_forecast_to_exceed_its_limit_with_jobs_that_have_not_started()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("18", """{"window": {"period": "Day"}}""");
        await scene.UntilAsync("there is a status", async () => await scene.StatusAsync() is { Forecast: not null });
        (await scene.StatusAsync())!.Forecast!.Method.Should().Be("KnownOnly");

        for (var hour = 0; hour < 4; hour++)
        {
            await scene.JobAsync($"half-{hour}", declared: "30m", runFor: "30m");
            await scene.PassAsync(60 * 60);
        }
        await scene.UntilConditionAsync("ForecastOverBudget", "True", within: TimeSpan.FromMinutes(30));

        var status = (await scene.StatusAsync())!;
        status.State.Should().Be("OnTrack");
        status.Forecast!.Method.Should().Be("Trend");
        Number(status.Forecast.WindowEnd!.Likely).Should().BeInRange(20, 26);
        Number(status.Projected).Should().BeLessThan(10);
        status.Forecast.ExhaustedAt!.Likely.Should().StartWith("2026-11-21T");
        (await scene.EventsAsync("ForecastOverBudget", "b")).Should().ContainSingle();
        using var explained = new StringWriter();
        await ExplainCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, scene.Team, "b", false, explained, TextWriter.Null, Ct);
        explained.ToString().Should().MatchRegex("forecast +2[0-9]\\.").And.Contain("ForecastOverBudget");

        // The history outlives the operator.
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.JobAsync("after", declared: "30m", runFor: "30m");
        await scene.PassAsync(60);
        (await scene.StatusAsync())!.Forecast!.Method.Should().Be("Trend");
        (await scene.EventsAsync("ForecastOverBudget", "b")).Should().ContainSingle();

        static decimal Number(string? amount) => decimal.Parse(amount!, System.Globalization.CultureInfo.InvariantCulture);
    }
}
