using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Unspent budget that a window carries over from the window before.</summary>
public sealed class RolloverTests
{
    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>Each namespace spends 1.53 of 4 in half an hour, and one of them is deleted before the hour ends.</summary>
    [Fact]
    public async Task Deleted_namespace_returns_nothing_through_the_rollover()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var deleted = await Scene.OpenAsync(world, "deleted");
        await ClusterBudgets.CreateAsync(
            world,
            "both",
            "4",
            """ "window": {"period": "Hour"}, "rollover": {"maxPercent": 100}, "namespaces": ["team", "deleted"] """
        );
        foreach (var team in (Scene[])[scene, deleted])
            await team.JobAsync("half", declared: "30m", runFor: "30m");
        await scene.PassAsync(35 * 60);
        await world.Client.DeleteAsync<V1Namespace>("deleted", null, null, Ct);
        await scene.UntilAsync(
            "the next hour has begun",
            async () => (await ClusterBudgets.StatusAsync(world, "both"))?.RolledOver is not null,
            TimeSpan.FromMinutes(40)
        );
        decimal.Parse((await ClusterBudgets.StatusAsync(world, "both"))!.RolledOver!, System.Globalization.CultureInfo.InvariantCulture)
            .Should()
            .BeInRange(0.8m, 1m, "3.06 and a little are spent");
    }

    /// <summary>Half an hour costs 1.53 of 4, so 2.47 is unspent, and half of the limit is carried over.</summary>
    [Fact]
    public async Task Unspent_budget_is_added_to_the_next_window_up_to_the_share()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("4", """{"window": {"period": "Hour"}, "rollover": {"maxPercent": 50}}""");
        await scene.JobAsync("half", declared: "30m", runFor: "30m");
        await scene.UntilRunsAsync("half");
        (await scene.StatusAsync())!.Limit.Should().Be("4.000000");

        await scene.UntilAsync(
            "the next hour has begun",
            async () => await scene.StatusAsync() is { RolledOver: "2.000000", Limit: "6.000000" },
            TimeSpan.FromMinutes(70)
        );
        await scene.JobAsync("large", declared: "100m");
        await scene.PassAsync(30);
        (await scene.RunsAsync("large")).Should().BeTrue("an hour of it costs 3.06");
        using var explained = new StringWriter();
        await ExplainCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, scene.Team, "b", false, explained, TextWriter.Null, Ct);
        explained.ToString().Should().Contain("2.000000 of it is carried over from the last window");

        // The operator restarts within the window and carries no more and no less.
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.PassAsync(30);
        (await scene.StatusAsync())!.Limit.Should().Be("6.000000");
    }
}
