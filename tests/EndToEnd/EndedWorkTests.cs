using System.Globalization;
using Bursar.Core.Reports;
using Bursar.Operator.Commands;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Training that has ended: what a step of it cost is asked for afterwards.</summary>
public sealed class EndedWorkTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Cost_per_step_stays_in_the_status_and_the_report_after_the_job()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await world.CreateJobAsync(
            scene.Team,
            "train",
            1,
            Ct,
            ("bursar.dev/total-steps", "1800"),
            ("sim.bursar.dev/work", "training"),
            ("sim.bursar.dev/steps", "1800"),
            ("sim.bursar.dev/step-time", "100ms"),
            ("sim.bursar.dev/report", "annotation"),
            ("sim.bursar.dev/report-every", "1s")
        );
        await scene.UntilAsync(
            "it has reported its steps",
            async () => (await scene.StatusAsync())?.Workloads?.FirstOrDefault(one => one.Name == "train")?.UnitCosts?.PerStep is not null,
            TimeSpan.FromSeconds(150)
        );
        await scene.UntilAsync(
            "it has ended",
            async () => (await scene.StatusAsync()) is { Workloads: null or { Count: 0 }, Ended: [{ Steps: not null }] },
            TimeSpan.FromMinutes(4)
        );

        var ended = (await scene.StatusAsync())!.Ended!.Single();
        (ended.Kind, ended.Name, ended.Class).Should().Be(("Job", "train", "training"));
        ended.Steps.Should().BeInRange(1700, 1800);
        decimal.Parse(ended.UnitCosts!.PerStep!, CultureInfo.InvariantCulture)
            .Should()
            .BeInRange(0.00007m, 0.0001m, "100 ms at 3.06 an hour are 0.000085");

        await scene.PassAsync(400);
        await world.StopOperatorAsync();
        using var output = new StringWriter();
        (
            await ReportCommand.RunAsync(
                world.Client,
                ClusterWorld.OwnNamespace,
                new(null, null, ReportBy.Workload, scene.Team, Csv: true),
                output,
                output,
                Ct
            )
        )
            .Should()
            .Be(0);
        var columns = output.ToString().Split("\r\n")[0].Split(',').ToList();
        var row = output.ToString().Split("\r\n").Single(line => line.StartsWith("team,Job,train", StringComparison.Ordinal)).Split(',');
        row[columns.IndexOf("cost_per_step")].Should().NotBeEmpty();
    }
}
