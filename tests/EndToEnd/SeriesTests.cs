using Bursar.Kubernetes.Objects;
using Bursar.Operator.Hosting;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

public sealed class SeriesTests
{
    [Fact]
    public async Task Run_of_a_series_is_forecast_from_earlier_runs_after_their_objects_are_gone()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        foreach (var name in new[] { "night-1", "night-2", "night-3" })
        {
            await RunAsync(scene, name);
            await scene.UntilAsync(
                $"{name} is done",
                async () =>
                    (await world.JobAsync(scene.Team, name, CancellationToken.None)).Status.Condition("Complete") is { Status: "True" },
                TimeSpan.FromMinutes(4)
            );
        }
        await scene.PassAsync(5);
        foreach (var name in new[] { "night-1", "night-2", "night-3" })
            await world.Client.DeleteAsync<V1Job>(name, scene.Team, null, CancellationToken.None);
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(CancellationToken.None, new OperatorOptions { Identity = "second" });

        await RunAsync(scene, "night-4");

        await scene.UntilAsync("it is foreseen by its series", async () =>
            (await scene.StatusAsync())?.Workloads?.SingleOrDefault(one => one.Name == "night-4")
                is { Eta.Source: "series", Reason: { } reason }
            && reason.Contains("3 earlier runs of its series", StringComparison.Ordinal)
        );
    }

    private static Task RunAsync(Scene scene, string name) =>
        scene.World.CreateJobAsync(
            scene.Team,
            name,
            1,
            CancellationToken.None,
            ("bursar.dev/series", "nightly"),
            ("sim.bursar.dev/run-for", "2m")
        );
}
