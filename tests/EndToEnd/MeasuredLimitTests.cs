using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Limits on what the nodes' agents measure: energy, its CO2e, and tokens. A busy V100 uses 300 W. The cluster's time begins at 09:00 UTC.
/// </summary>
public sealed class MeasuredLimitTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Window_that_begins_with_the_calendar_does_not_stop_the_operator()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await world.PostJsonAsync(
            $"/apis/bursar.dev/v1alpha1/namespaces/{scene.Team}/gpubudgets",
            JsonNode
                .Parse(
                    """
                    {"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuBudget", "metadata": {"name": "old"}, "spec": {"limit": {"energyKWh": "5"},
                     "window": {"period": "Once", "start": "0001-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}}}
                    """
                )!
                .AsObject(),
            Ct
        );
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);

        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.JobAsync("train", declared: "2h");
        await scene.UntilSuspendedAsync("train");
        await scene.UntilAsync("the old window is evaluated too", async () => (await scene.StatusAsync("old"))?.Limit == "5.000000");
    }

    [Fact]
    public async Task Job_is_suspended_by_its_measured_energy_and_another_by_its_forecast()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(scene, """{"limit": {"cost": "1000", "energyKWh": "0.1"}}""");
        await RunAsync(scene, "runs", declared: null);
        await scene.UntilRunsAsync("runs");
        await RunAsync(scene, "too-long", declared: "6h");

        // Nothing was measured yet, so the rated power of the board counts.
        await scene.UntilSuspendedAsync("too-long");
        (await scene.UntilEventAsync("Suspended", "too-long"))
            .Note.Should()
            .Contain("would use 1.80 kWh")
            .And.Contain("imit energyKWh of budget b has")
            .And.Contain("at 0.30 kW");
        (await scene.RunsAsync("runs")).Should().BeTrue();

        await scene.UntilSuspendedAsync("runs", TimeSpan.FromMinutes(40));
        await scene.PassAsync(300);
        var limit = (await scene.StatusAsync())!.Limits!.Single();
        limit
            .Should()
            .BeEquivalentTo(
                new
                {
                    Name = "energyKWh",
                    Unit = "kWh",
                    Limit = "0.100000",
                }
            );
        Number(limit.Spent).Should().BeInRange(0.07m, 0.1m, "the limit includes the energy until the job has stopped");
        (await scene.IsSuspendedAsync("runs")).Should().BeTrue();
        (await world.JobAsync(scene.Team, "runs", Ct)).Metadata.Generation.Should().Be(2, "one suspension");

        await PartialLimits.PatchAsync(scene, """{"limit": {"energyKWh": "5"}}""");
        await scene.UntilResumedAsync("runs");
        await scene.UntilResumedAsync("too-long");
    }

    [Fact]
    public async Task Job_is_suspended_by_its_CO2e_once_the_hour_of_the_grid_has_any()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(scene, """{"limit": {"cost": "1000", "co2eKg": "0.05"}}""");
        await scene.UntilAsync("the missing grid intensity is reported", async () =>
            await scene.ConditionAsync("PricesTrusted") is { Status: "False", Reason: "NoGridIntensity" }
        );
        // 15 o'clock in India is 09:30 UTC.
        await world.Client.PatchAsync<V1Alpha1GpuPriceBook>(
            "test",
            null,
            KubePatch.Merge(
                JsonNode
                    .Parse(
                        """{"spec": {"gridIntensity": {"timeZone": "Asia/Kolkata", "hours": [{"from": 0, "gramsPerKWh": 0}, {"from": 15, "gramsPerKWh": "1000"}]}}}"""
                    )!
                    .AsObject()
            ),
            Ct
        );
        await scene.UntilConditionAsync("PricesTrusted", "True");
        await RunAsync(scene, "runs", declared: null);
        await scene.UntilRunsAsync("runs");
        await world.PassAsync(At(9, 28) - world.Time.GetUtcNow(), Ct);
        (await scene.IsSuspendedAsync("runs")).Should().BeFalse();
        (await scene.StatusAsync())!.Limits!.Single().Spent.Should().Be("0.000000");

        await scene.UntilSuspendedAsync("runs", TimeSpan.FromMinutes(15));
        world.Time.GetUtcNow().Should().BeAfter(At(9, 34));
        await scene.PassAsync(300);
        var limit = (await scene.StatusAsync())!.Limits!.Single();
        limit.Should().BeEquivalentTo(new { Name = "co2eKg", Unit = "kg CO2e" });
        Number(limit.Spent).Should().BeInRange(0.03m, 0.05m);
    }

    [Fact]
    public async Task Inference_is_scaled_to_zero_when_its_tokens_are_used_up()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"cost": "1000", "tokens": "30000"}, "inference": {"whenExhausted": "Zero"}}"""
        );
        await scene.CreateAsync(
            $"/apis/apps/v1/namespaces/{scene.Team}/deployments",
            """
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat"},
             "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "chat"}},
              "template": {"metadata": {"labels": {"app": "chat"}, "annotations": {"sim.bursar.dev/work": "inference", "sim.bursar.dev/tokens-per-second": "10", "sim.bursar.dev/prompt-tokens-per-second": "40"}},
               "spec": {"terminationGracePeriodSeconds": 2, "containers": [{"name": "vllm", "image": "example/vllm:1", "ports": [{"name": "http", "containerPort": 8000}], "resources": {"limits": {"nvidia.com/gpu": "1"} } }] } } } }
            """
        );
        await scene.UntilAsync("tokens are counted", async () =>
            (await scene.StatusAsync())?.Limits is [{ Spent: { } spent }] && Number(spent) > 0
        );

        await scene.UntilAsync("it is scaled to zero", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromMinutes(30));
        (await scene.UntilEventAsync("ScaledToZero", "chat")).Note.Should().Contain("imit tokens of budget b");
        await scene.PassAsync(300);
        var limit = (await scene.StatusAsync())!.Limits!.Single();
        limit
            .Should()
            .BeEquivalentTo(
                new
                {
                    Name = "tokens",
                    Unit = "tokens",
                    Limit = "30000.000000",
                }
            );
        Number(limit.Spent).Should().BeInRange(20_000, 30_000);
        (await scene.ReplicasAsync("chat")).Should().Be(0);
    }

    /// <summary>Windows of an hour in India begin at half past the hour in UTC.</summary>
    [Fact]
    public async Task Energy_of_a_window_in_another_time_zone_survives_a_restart()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"energyKWh": "0.35"}, "window": {"period": "Hour", "timeZone": "Asia/Kolkata"}}"""
        );
        await RunAsync(scene, "runs", declared: null);
        // An hour of it does not fit a window, so it does not resume.
        await RunAsync(scene, "large", declared: null, gpus: 3);
        await scene.UntilSuspendedAsync("runs", TimeSpan.FromMinutes(25));
        await scene.UntilSuspendedAsync("large");
        await scene.PassAsync(180);
        var spent = (await scene.StatusAsync())!.Spent;
        Number(spent).Should().BeInRange(0.25m, 0.35m);
        (await scene.StatusAsync())!.Currency.Should().Be("kWh");

        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.PassAsync(120);
        (await scene.StatusAsync())!.Spent.Should().Be(spent);
        (await scene.IsSuspendedAsync("runs")).Should().BeTrue();

        await world.PassAsync(At(9, 30) - world.Time.GetUtcNow(), Ct);
        await scene.UntilResumedAsync("runs");
        await scene.UntilAsync(
            "the new window has counted its own energy",
            async () => (await scene.StatusAsync()) is { Window.Start: "2026-11-21T09:30:00Z" } status && Number(status.Spent) > 0.01m,
            TimeSpan.FromMinutes(10)
        );
        (await scene.IsSuspendedAsync("large")).Should().BeTrue();
        // 300 W since half past nine at most.
        var most = 0.3m * (decimal)(world.Time.GetUtcNow() - At(9, 30)).TotalHours;
        Number((await scene.StatusAsync())!.Spent).Should().BeLessThanOrEqualTo(most);
    }

    [Fact]
    public async Task Limit_on_spot_capacity_stops_only_jobs_on_spot_nodes()
    {
        var scene = await Scene.SandboxAsync(
            more: new FleetNode
            {
                Name = "gpu-2",
                Gpu = SimulatedGpuModel.H100,
                Gpus = 4,
                Labels = new Dictionary<string, string> { ["karpenter.sh/capacity-type"] = "spot" },
            }
        );
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"gpuHours": "1000"}, "limits": [{"name": "spot", "match": {"capacityType": "spot"}, "gpuHours": "8"}]}"""
        );
        await PartialLimits.JobAsync(scene, "on-spot", "6h", user: null, SimulatedGpuModel.H100.Product);
        await scene.UntilRunsAsync("on-spot");
        await PartialLimits.JobAsync(scene, "also-on-spot", "6h", user: null, SimulatedGpuModel.H100.Product);
        await PartialLimits.JobAsync(scene, "on-demand", "60h", user: null, SimulatedGpuModel.V100.Product);

        await scene.UntilSuspendedAsync("also-on-spot");
        await scene.PassAsync(3600);
        (await scene.RunsAsync("on-spot")).Should().BeTrue();
        (await scene.RunsAsync("on-demand")).Should().BeTrue();
        var limit = (await scene.StatusAsync())!.Limits!.Single();
        limit.Should().BeEquivalentTo(new { Name = "spot", Gpus = 4 });
        Number(limit.Spent).Should().BeInRange(0.95m, 1.1m, "the other job is on demand");
    }

    private static DateTimeOffset At(int hour, int minute) => new(2026, 11, 21, hour, minute, 0, TimeSpan.Zero);

    private static decimal Number(string? amount) => decimal.Parse(amount!, CultureInfo.InvariantCulture);

    private static Task RunAsync(Scene scene, string name, string? declared, int gpus = 1) =>
        scene.World.CreateJobAsync(
            scene.Team,
            name,
            gpus,
            Ct,
            [
                ("sim.bursar.dev/run-for", "20h"),
                ("sim.bursar.dev/busy", "1"),
                .. declared is null ? [] : new[] { ("bursar.dev/expected-duration", declared) },
            ]
        );

    private static async Task<Scene> AgentsAsync()
    {
        var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 4,
            }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct);
        return scene;
    }
}
