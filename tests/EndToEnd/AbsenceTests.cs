using System.Globalization;
using Bursar.Core.Reports;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// An operator that was away: what ended meanwhile is billed up to the earliest fact that bounds it. The world begins at 09:00.
/// </summary>
public sealed class AbsenceTests
{
    private static readonly DateTimeOffset Nine = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Job_that_ended_while_the_operator_was_away_is_billed_to_its_completion()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("20");
        await scene.JobAsync("run", declared: "30m", runFor: "30m");
        await scene.UntilRunsAsync("run");
        await UntilTimeAsync(scene, Nine.AddMinutes(10));
        await world.StopOperatorAsync();

        await UntilTimeAsync(scene, Nine.AddMinutes(35));
        (await world.JobAsync(scene.Team, "run", Ct)).Status.CompletionTime.Should().NotBeNull();
        await DeletePodsAsync(scene);
        await UntilTimeAsync(scene, Nine.AddHours(10).AddMinutes(5));
        await scene.JobAsync("next", declared: "2h", runFor: "2h");
        await world.StartOperatorAsync(Ct);
        await scene.UntilRunsAsync("next");
        await scene.PassAsync(120);

        var next = (await scene.StatusAsync())!.Workloads!.Single(work => work.Name == "next");
        (Spent(await scene.StatusAsync()) - Decimal(next.Spent)).Should().BeInRange(1.52m, 1.54m);
        (await scene.IsSuspendedAsync("next")).Should().BeFalse("6.12 is left to spend");
    }

    [Theory]
    [InlineData("Forbid", "4.59")]
    [InlineData("Replace", "4.59")]
    // Runs beside each other bound nothing: it is billed up to the operator's return.
    [InlineData("Allow", "32.4")]
    public async Task Run_of_a_CronJob_that_is_gone_is_billed_to_the_next_run(string policy, string spent)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/cronjobs",
            $$$$$$$"""
            {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": {"schedule": "0 * * * *", "suspend": true, "concurrencyPolicy": "{{{{{{{policy}}}}}}}",
             "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/train"}]}}}}}}
            """
        );
        var owner = (await world.Client.GetAsync<V1CronJob>("nightly", scene.Team, Ct)).Metadata.Uid;
        await RunAsync(scene, "nightly-29393220", owner);
        await scene.UntilRunsAsync("nightly-29393220");
        await UntilTimeAsync(scene, Nine.AddMinutes(10));
        await world.StopOperatorAsync();

        await UntilTimeAsync(scene, Nine.AddMinutes(35));
        await world.Client.DeleteAsync<V1Job>("nightly-29393220", scene.Team, null, Ct);
        await DeletePodsAsync(scene);
        await UntilTimeAsync(scene, Nine.AddHours(1));
        await RunAsync(scene, "nightly-29393280", owner);
        await UntilTimeAsync(scene, Nine.AddHours(10).AddMinutes(5));
        await world.StartOperatorAsync(Ct);
        await scene.PassAsync(120);

        Spent(await scene.StatusAsync()).Should().BeApproximately(Decimal(spent), 0.06m);
    }

    [Fact]
    public async Task Report_names_the_time_of_the_ledger_and_counts_no_further()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.JobAsync("run", declared: "30m", runFor: "30m");
        await scene.UntilRunsAsync("run");
        await UntilTimeAsync(scene, Nine.AddMinutes(10));
        await world.StopOperatorAsync();
        await UntilTimeAsync(scene, Nine.AddHours(10));

        var text = await ReportAsync(scene, csv: false);
        var csv = (await ReportAsync(scene, csv: true))
            .Split("\r\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(','))
            .ToArray();

        text.Should()
            .MatchRegex(@"The ledger is complete up to 2026-11-21T09:10:\d\dZ: the operator has written nothing for 9 h (49|50) min\.");
        text.Should().MatchRegex(@"total +8\.\d{6}", "sixteen cards for ten minutes, and not for ten hours");
        csv[0][^1].Should().Be("as_of");
        csv[1][^1].Should().StartWith("2026-11-21T09:10:");
        Decimal(csv[1][Array.IndexOf(csv[0], "cost")]).Should().BeInRange(0.50m, 0.52m);
    }

    [Fact]
    public async Task Report_beside_a_running_operator_is_a_minute_behind_at_most()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.JobAsync("run", declared: "5h");
        await scene.UntilRunsAsync("run");
        await UntilTimeAsync(scene, Nine.AddHours(2));

        (await ReportAsync(scene, csv: false)).Should().MatchRegex(@"The ledger is complete up to 2026-11-21T1(0:59|1:00):\d\dZ\.\n");
    }

    [Fact]
    public async Task Deadline_counts_from_the_start_of_the_job_through_a_retry()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "late", "annotations": {"bursar.dev/expected-duration": "10h"}},
             "spec": {"activeDeadlineSeconds": 3600, "backoffLimit": 3, "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "50m", "sim.bursar.dev/exit-code": "1"}},
               "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );
        await scene.UntilRunsAsync("late");
        await UntilTimeAsync(scene, Nine.AddMinutes(55));
        (await world.JobAsync(scene.Team, "late", Ct)).Status.Failed.Should().Be(1);

        var status = (await scene.StatusAsync())!;
        Decimal(status.Projected!).Should().BeInRange(2.9m, 3.07m, "an hour of one card is all that the deadline allows");
    }

    [Fact]
    public async Task Pod_has_ended_when_its_name_is_reused()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await NotebookAsync(scene);
        await UntilTimeAsync(scene, Nine.AddMinutes(10));
        var first = world.Operator!.Ledger.OpenPods().Single();
        await world.StopOperatorAsync();
        await UntilTimeAsync(scene, Nine.AddHours(1));
        await DeletePodsAsync(scene);
        await UntilTimeAsync(scene, Nine.AddMinutes(65));
        await NotebookAsync(scene);
        await UntilTimeAsync(scene, Nine.AddHours(10));
        await world.StartOperatorAsync(Ct);

        var now = world.Time.GetUtcNow();
        world
            .Operator!.Ledger.Entries(scene.Team, Nine, now, now)
            .Single(entry => entry.PodUid == first.Uid)
            .To.Should()
            .Be(Nine.AddMinutes(65));
    }

    [Fact]
    public async Task Removed_node_is_billed_to_its_last_heartbeat()
    {
        var scene = await Scene.SandboxAsync(
            more: new Bursar.Sandbox.Nodes.FleetNode
            {
                Name = "gpu-2",
                Gpu = Bursar.Sandbox.Nodes.SimulatedGpuModel.V100,
                Gpus = 4,
            }
        );
        await using var world = scene.World;
        await UntilTimeAsync(scene, Nine.AddMinutes(10));
        await world.StopOperatorAsync();
        await UntilTimeAsync(scene, Nine.AddHours(1));
        world.Nodes.LoseNode("gpu-2");
        await scene.PassAsync(90);
        await world.Client.DeleteAsync<V1Node>("gpu-2", null, null, Ct);
        await UntilTimeAsync(scene, Nine.AddHours(10));
        await world.StartOperatorAsync(Ct);

        var now = world.Time.GetUtcNow();
        Decimal(world.Operator!.Ledger.Bill("gpu-2", Nine, now, now).Total.ToString())
            .Should()
            .BeInRange(2.03m, 2.05m, "four cards for ten minutes");
    }

    /// <summary>A CronJob's run of 30 minutes on one GPU.</summary>
    private static Task RunAsync(Scene scene, string name, string cronJobUid) =>
        scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            $$$$$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{{{{name}}}}}}}", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "{{{{{{{cronJobUid}}}}}}}", "controller": true}]},
             "spec": {"template": {"metadata": {"annotations": {"{{{{{{{Bursar.Sandbox.Nodes.SimulationAnnotations.RunFor}}}}}}}": "30m"}}, "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "main", "image": "example/train", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );

    private static Task NotebookAsync(Scene scene) =>
        scene.CreateAsync(
            $"/api/v1/namespaces/{scene.Team}/pods",
            """
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "notebook"},
             "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": "example/notebook", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
            """
        );

    internal static CancellationToken Ct => CancellationToken.None;

    internal static Task UntilTimeAsync(Scene scene, DateTimeOffset time) => scene.World.PassAsync(time - scene.World.Time.GetUtcNow(), Ct);

    internal static decimal Decimal(string? amount) => decimal.Parse(amount!, CultureInfo.InvariantCulture);

    private static decimal Spent(Bursar.Api.GpuBudgetStatus? status) => Decimal(status!.Spent);

    private static async Task DeletePodsAsync(Scene scene)
    {
        foreach (var pod in (await scene.World.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items)
            await scene.World.Client.DeleteAsync<V1Pod>(pod.Metadata.Name, scene.Team, null, Ct);
    }

    private static async Task<string> ReportAsync(Scene scene, bool csv)
    {
        using var output = new StringWriter();
        (
            await ReportCommand.RunAsync(
                scene.World.Client,
                ClusterWorld.OwnNamespace,
                new(Nine.AddHours(-9), null, ReportBy.Workload, Csv: csv),
                output,
                TextWriter.Null,
                Ct
            )
        )
            .Should()
            .Be(0);
        return output.ToString();
    }
}
