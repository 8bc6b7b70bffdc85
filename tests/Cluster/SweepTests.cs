using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Kinds;
using Bursar.Operator.Metering;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>Sweeps that end before all their pieces have succeeded, the same on the embedded cluster and with the real kube-controller-manager.</summary>
internal static class EarlyEnds
{
    private const decimal PerHour = 3.06m;

    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>
    /// Sweeps that are suspended midway: what is left of them costs no more than a few pieces, and a limit with room for these resumes them.
    /// Failed indexes taken for pieces to come, or pieces after an early success, would need many more.
    /// </summary>
    /// <remarks>Cases C4 and C5. Pieces take 20 s, which leaves a busy machine the time to see the states in between.</remarks>
    public static async Task SweepResumesWithTheCostOfWhatIsLeftAsync(Scene scene)
    {
        (string Name, string Spec, int Parallelism, string Pods, string Completed, string? Failed, int Pieces, string Reason)[] sweeps =
        [
            // 16 of 20 have ended and 4 are left: at most 24 pieces with those begun anew, and 32 if failed ones were to come.
            ("failures", """{"completions": 20, "backoffLimitPerIndex": 0}""", 16, """{"sim.bursar.dev/fail-indexes": "4-15"}""", "0-3", "4-15", 28, "FailedIndexes"),
            // 2 of 3 have succeeded: at most 6 pieces, and 40 if all were to come.
            ("count", """{"completions": 40, "successPolicy": {"rules": [{"succeededCount": 3}]}}""", 2, "{}", "0,1", null, 15, "SuccessPolicy"),
            ("indexes", """{"completions": 40, "successPolicy": {"rules": [{"succeededIndexes": "0-39"}, {"succeededIndexes": "0-2"}]}}""", 2, "{}", "0,1", null, 15, "SuccessPolicy"),
            ("some-indexes", """{"completions": 40, "successPolicy": {"rules": [{"succeededIndexes": "0-9", "succeededCount": 3}]}}""", 2, "{}", "0,1", null, 15, "SuccessPolicy"),
        ];
        foreach (var (name, spec, parallelism, pods, _, _, _, _) in sweeps)
        {
            await scene.BudgetAsync("100", $$$$"""{"selector": {"matchLabels": {"sweep": "{{{{name}}}}"}}, "training": {"settle": "0s"}}""", name);
            await CreateAsync(scene, name, spec, parallelism, "20s", pods);
        }
        foreach (var (name, _, _, _, completed, failed, _, _) in sweeps)
        {
            await scene.UntilAsync($"the first pieces of {name} have ended", async () => (await scene.World.JobAsync(scene.Team, name, Ct)).Status is { } status
                && (status.CompletedIndexes, status.FailedIndexes) == (completed, failed), TimeSpan.FromMinutes(2));
            await scene.SetLimitAsync("0.001", name);
            await scene.UntilSuspendedAsync(name);
        }
        foreach (var (name, _, _, _, completed, failed, pieces, _) in sweeps)
        {
            await scene.UntilAsync($"{name} is stopped", async () => (await scene.World.JobAsync(scene.Team, name, Ct)).Status is { Active: null or 0, Terminating: null or 0 });
            var status = (await scene.World.JobAsync(scene.Team, name, Ct)).Status;
            (status.CompletedIndexes, status.FailedIndexes).Should().Be((completed, failed), name);
            var piece = await PieceAsync(scene, name);
            await scene.UntilAsync($"{name} is reported as suspended", async () => (await scene.StatusAsync(name))?.Suspended is [_]);
            Money((await scene.StatusAsync(name))!.Suspended![0].CostToFinish!).Should().BeLessThan(6 * piece, name);
            await scene.SetLimitAsync((pieces * piece).ToString("0.000000", CultureInfo.InvariantCulture), name);
            await scene.UntilResumedAsync(name);
        }
        foreach (var (name, _, _, _, _, _, pieces, reason) in sweeps)
        {
            await scene.UntilAsync($"{name} has ended", async () => (await scene.World.JobAsync(scene.Team, name, Ct)).Status.Conditions.Any(one => one is { Type: "Failed" or "Complete", Status: "True" }), TimeSpan.FromMinutes(3));
            var job = await scene.World.JobAsync(scene.Team, name, Ct);
            job.Status.Conditions.Single(one => one is { Type: "Failed" or "Complete", Status: "True" }).Reason.Should().Be(reason, name);
            job.Metadata.Generation.Should().Be(3, "{0} is suspended once and resumed once", name);
        }
    }

    /// <summary>A sweep that fails with more failed indexes than it may have reserves nothing for the pieces it stops.</summary>
    public static async Task SweepWithTooManyFailedIndexesReservesNothingAsync(Scene scene)
    {
        await scene.BudgetAsync("100");
        await CreateAsync(scene, "failing", """{"completions": 40, "backoffLimitPerIndex": 0, "maxFailedIndexes": 2}""", 4, "15s", """{"sim.bursar.dev/run-for-per-index": "15s", "sim.bursar.dev/fail-indexes": "1-39"}""");
        await scene.UntilAsync("its pieces are reserved", async () => (await scene.StatusAsync()) is { Reserved: { } reserved, Workloads: [{ State: "Running", Eta.Source: "completions" }] } && Money(reserved) > 0, TimeSpan.FromMinutes(2));
        await scene.UntilAsync("it has failed", async () => (await scene.World.JobAsync(scene.Team, "failing", Ct)).Status.Conditions.Any(one => one is { Type: "Failed", Status: "True", Reason: "MaxFailedIndexesExceeded" }), TimeSpan.FromMinutes(3));
        await scene.UntilAsync("it is reported as ended", async () => (await scene.StatusAsync()) is { Reserved: "0.000000", BurnRatePerHour: "0.00", Workloads: null or { Count: 0 }, Ended: [{ Name: "failing" }] } status && status.Projected == status.Spent, TimeSpan.FromMinutes(3));
    }

    private static Task CreateAsync(Scene scene, string name, string spec, int parallelism, string runFor, string pods)
    {
        var job = JsonNode.Parse(spec)!.AsObject();
        (job["completionMode"], job["parallelism"]) = ("Indexed", parallelism);
        job["template"] = JsonNode.Parse($$$$"""
            {"metadata": {"labels": {"sweep": "{{{{name}}}}"}, "annotations": {"sim.bursar.dev/run-for": "{{{{runFor}}}}"}},
             "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}} ]} }
            """);
        foreach (var (key, value) in JsonNode.Parse(pods)!.AsObject()) job["template"]!["metadata"]!["annotations"]![key] = value!.DeepClone();
        return scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            new JsonObject { ["apiVersion"] = "batch/v1", ["kind"] = "Job", ["metadata"] = new JsonObject { ["name"] = name }, ["spec"] = job }.ToJsonString());
    }

    /// <summary>What a piece of a Job has cost on average.</summary>
    private static async Task<decimal> PieceAsync(Scene scene, string job)
    {
        var pods = (await scene.World.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team, LabelSelector = $"batch.kubernetes.io/job-name={job}" }, Ct)).Items;
        var times = pods.Where(pod => pod.Metadata.DeletionTimestamp is null).Select(pod => PodTimes.FinishedAt(pod) - PodTimes.ScheduledAt(pod)).OfType<TimeSpan>().ToArray();
        times.Should().NotBeEmpty();
        return PerHour * times.Sum(time => time.Ticks) / times.Length / TimeSpan.TicksPerHour;
    }

    private static decimal Money(string amount) => decimal.Parse(amount, CultureInfo.InvariantCulture);
}

/// <summary>Jobs that run in waves, and how many GPUs work holds at the same time, as a budget's status shows them.</summary>
public sealed class SweepTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Sweep_in_waves_is_projected_at_its_cost_and_runs_to_its_end()
    {
        // Case C1 with pieces of six minutes: 60 pieces cost 18.36, and "60 pieces x 10 GPUs" is 184.
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await JobAsync(scene, "sweep", completions: 60, parallelism: 10, runFor: "6m");
        await FollowAsync(scene, "sweep", completions: 60, cost: 18.36m);
    }

    [Fact]
    public async Task Pieces_one_after_the_other_are_projected_at_the_cost_of_all()
    {
        // Case C2 with ten pieces.
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await JobAsync(scene, "sweep", completions: 10, parallelism: 1, runFor: "6m");
        await FollowAsync(scene, "sweep", completions: 10, cost: 3.06m);
    }

    [Fact]
    public async Task Sweep_that_does_not_fit_is_suspended_before_the_money_is_gone()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("8");
        await JobAsync(scene, "sweep", completions: 60, parallelism: 10, runFor: "6m");
        await scene.UntilSuspendedAsync("sweep", TimeSpan.FromMinutes(20));
        decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture).Should().BeLessThan(6m);
    }

    [Fact]
    public async Task Suspended_sweep_needs_the_time_of_the_pieces_that_are_left()
    {
        // Case C3: 2 h of 10 h are left, and 6.12 with the headroom fits where 30.60 does not.
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await JobAsync(scene, "sweep", completions: 5, parallelism: 1, runFor: "1m", declared: "10h");
        await scene.UntilAsync("four of five have ended", async () => { await scene.PassAsync(5); return (await world.JobAsync(scene.Team, "sweep", Ct)).Status.Succeeded >= 4; }, TimeSpan.FromMinutes(20));
        await scene.SuspendAsync("sweep", true);
        await scene.UntilAsync("its pods that ran are gone", async () => (await world.JobAsync(scene.Team, "sweep", Ct)).Status is { Active: null or 0 });
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("8");
        await scene.SuspendAsync("sweep", false);
        await scene.UntilAsync("it is projected", async () => (await scene.StatusAsync())?.Workloads is [{ State: "Running", Projected: { } projected }] && decimal.Parse(projected, CultureInfo.InvariantCulture) < 1m);
        (await scene.IsSuspendedAsync("sweep")).Should().BeFalse();
    }

    [Fact]
    public async Task Sweep_that_ends_early_resumes_with_the_cost_of_what_is_left()
    {
        var scene = await Scene.SandboxAsync(more: [new FleetNode { Name = "gpu-2", Gpu = GpuModel.V100, Gpus = 32 }]);
        await using var world = scene.World;
        await EarlyEnds.SweepResumesWithTheCostOfWhatIsLeftAsync(scene);
    }

    [Fact]
    public async Task Sweep_with_too_many_failed_indexes_reserves_nothing()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await EarlyEnds.SweepWithTooManyFailedIndexesReservesNothingAsync(scene);
    }

    [Fact]
    public async Task JobSet_of_sweeps_is_projected_at_its_cost()
    {
        // Two Jobs of six pieces of three minutes, two at a time.
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "JobSet");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("20");
        const string job = """
            {"completions": 6, "parallelism": 2, "completionMode": "Indexed", "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "3m"}},
             "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}
            """;
        var set = await Kinds.CreateAsync(scene, "JobSet", "sweeps", $$$$"""{"replicatedJobs": [{"name": "w", "replicas": 2, "template": {"spec": {{{{job}}}}}}]}""", declared: null);
        foreach (var replica in (string[])["sweeps-w-0", "sweeps-w-1"])
            await scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", $$$$"""
                {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{replica}}}}", "labels": {"jobset.sigs.k8s.io/replicatedjob-name": "w"},
                  "ownerReferences": [{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "sweeps", "uid": "{{{{set}}}}", "controller": true} ]}, "spec": {{{{job}}}}}
                """);
        var seen = new List<decimal>();
        await scene.UntilAsync("all pieces have ended", async () =>
        {
            await scene.PassAsync(20);
            (await Kinds.SwitchAsync(scene, "JobSet", "sweeps")).Should().NotBe(true);
            if ((await scene.StatusAsync()) is { Workloads: [{ Kind: "JobSet", State: "Running", Eta.Source: "completions" }], Projected: { } projected }) seen.Add(decimal.Parse(projected, CultureInfo.InvariantCulture));
            return (await world.JobAsync(scene.Team, "sweeps-w-0", Ct)).Status.Succeeded == 6 && (await world.JobAsync(scene.Team, "sweeps-w-1", Ct)).Status.Succeeded == 6;
        }, TimeSpan.FromMinutes(30));
        seen.Should().NotBeEmpty().And.OnlyContain(one => Math.Abs(one - 1.836m) < 0.15m);
    }

    /// <summary>The first Job that completes completes the JobSet, and JobSet's controller deletes the others.</summary>
    [Fact]
    public async Task JobSet_that_one_Job_completes_is_projected_to_the_first_of_them()
    {
        // Pieces of three minutes, one at a time: six of them against sixty.
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "JobSet");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("20");
        static string Job(int completions) => $$$$$$$$"""
            {"completions": {{{{{{{{completions}}}}}}}}, "parallelism": 1, "completionMode": "Indexed", "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "3m"}},
             "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}
            """;
        var set = await Kinds.CreateAsync(scene, "JobSet", "race", $$$$$$"""
            {"successPolicy": {"operator": "Any"}, "replicatedJobs": [{"name": "long", "template": {"spec": {{{{{{Job(60)}}}}}}}}, {"name": "short", "template": {"spec": {{{{{{Job(6)}}}}}}}}]}
            """, declared: null);
        foreach (var (part, completions) in ((string, int)[])[("long", 60), ("short", 6)])
            await scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", $$$$$$"""
                {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "race-{{{{{{part}}}}}}-0", "labels": {"jobset.sigs.k8s.io/replicatedjob-name": "{{{{{{part}}}}}}"},
                  "ownerReferences": [{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "race", "uid": "{{{{{{set}}}}}}", "controller": true} ]}, "spec": {{{{{{Job(completions)}}}}}}}
                """);
        var seen = new List<decimal>();
        await scene.UntilAsync("the short one has ended", async () =>
        {
            await scene.PassAsync(20);
            if ((await scene.StatusAsync()) is { Workloads: [{ Kind: "JobSet", State: "Running", Eta.Source: "completions" }], Projected: { } projected }) seen.Add(decimal.Parse(projected, CultureInfo.InvariantCulture));
            return (await world.JobAsync(scene.Team, "race-short-0", Ct)).Status.Succeeded == 6;
        }, TimeSpan.FromMinutes(30));
        // Two GPUs for 18 minutes at 3.06.
        seen.Take(seen.Count - 1).Should().NotBeEmpty().And.OnlyContain(one => Math.Abs(one - 1.836m) < 0.2m);
    }

    [Theory]
    [InlineData(3600, 7200, "3.06")]
    [InlineData(7200, 3600, "3.06")]
    [InlineData(7200, null, "6.12")]
    public async Task JobSet_is_projected_to_the_first_of_its_deadlines(int ofSet, int? ofJob, string projected)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "JobSet");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("1000");
        var job = $$$$$$$$"""
            {"activeDeadlineSeconds": {{{{{{{{ofJob?.ToString(CultureInfo.InvariantCulture) ?? "null"}}}}}}}}, "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "10h"}},
             "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}
            """;
        var set = await Kinds.CreateAsync(scene, "JobSet", "bounded", $$$$$$$$"""{"activeDeadlineSeconds": {{{{{{{{ofSet}}}}}}}}, "replicatedJobs": [{"name": "w", "template": {"spec": {{{{{{{{job}}}}}}}}}}]}""", declared: "10h");
        var now = world.Time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        await world.Client.PatchAsync<V1Alpha2JobSet>("bounded", scene.Team, KubePatch.Merge(JsonNode.Parse($$$"""{"status": {"startTime": "{{{now}}}"}}""")!) with { Subresource = "status" }, Ct);
        await scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", $$$$$$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "bounded-w-0", "labels": {"jobset.sigs.k8s.io/replicatedjob-name": "w"},
              "ownerReferences": [{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "bounded", "uid": "{{{{{{{{set}}}}}}}}", "controller": true} ]}, "spec": {{{{{{{{job}}}}}}}}}
            """);
        await scene.UntilAsync("it ends with the deadline", async () => (await scene.StatusAsync())?.Workloads is [{ State: "Running", Projected: { } text }] && text.StartsWith(projected, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Parts_of_a_JobSet_that_run_one_after_another_are_not_added_up()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "JobSet");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("1000");
        const string pods = """{"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "2"}}}]}}}}""";
        await Kinds.CreateAsync(scene, "JobSet", "stages", $$$$"""{"replicatedJobs": [{"name": "prepare", "template": {{{{pods}}}}}, {"name": "train", "replicas": 2, "dependsOn": [{"name": "prepare", "status": "Complete"}], "template": {{{{pods}}}}}]}""", declared: "10h");
        await scene.UntilAsync("four GPUs for ten hours are projected", async () => (await scene.StatusAsync())?.Workloads is [{ Gpus: 4, Projected: "122.400000" }]);
    }

    [Fact]
    public async Task Job_with_parallelism_zero_reserves_nothing()
    {
        // Case D1.
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await JobAsync(scene, "paused", completions: 5, parallelism: 0, runFor: "1h", declared: "3h");
        await scene.UntilAsync("it is seen", async () => (await scene.StatusAsync())?.Workloads is [{ Name: "paused" }]);
        (await scene.StatusAsync())!.Reserved.Should().Be("0.000000");
        await scene.JobAsync("other", declared: "1h", runFor: "1h");
        await scene.UntilRunsAsync("other");
        await scene.PassAsync(70);
        (await scene.IsSuspendedAsync("other")).Should().BeFalse();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    public async Task Autoscaled_RayJob_is_projected_at_the_workers_that_can_run(int running)
    {
        // Case D2: one worker in the spec, eight at most.
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "RayJob", "RayCluster");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("1000");
        var spec = JsonNode.Parse(Kinds.Spec("RayJob"))!;
        spec["rayClusterSpec"]!["enableInTreeAutoscaling"] = true;
        spec["rayClusterSpec"]!["workerGroupSpecs"]![0]!["replicas"] = 1;
        spec["rayClusterSpec"]!["workerGroupSpecs"]![0]!["minReplicas"] = 1;
        spec["rayClusterSpec"]!["workerGroupSpecs"]![0]!["maxReplicas"] = 8;
        var job = await Kinds.CreateAsync(scene, "RayJob", "ray", spec.ToJsonString(), declared: "10h");
        await WorkersAsync(scene, job, running);
        await scene.UntilAsync("eight workers for ten hours are projected", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Gpus: 8, Projected: { } projected }] && Math.Abs(decimal.Parse(projected, CultureInfo.InvariantCulture) - 244.80m) < 0.5m);
    }

    [Fact]
    public async Task Workers_that_run_beyond_the_spec_are_projected()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "RayJob", "RayCluster");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("1000");
        var job = await Kinds.CreateAsync(scene, "RayJob", "ray", Kinds.Spec("RayJob"), declared: "10h");
        await WorkersAsync(scene, job, 5);
        await scene.UntilAsync("five workers for ten hours are projected", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Gpus: 5, Projected: { } projected }] && Math.Abs(decimal.Parse(projected, CultureInfo.InvariantCulture) - 153m) < 0.5m);
    }

    [Fact]
    public async Task Deadline_of_a_Job_counts_from_its_start_and_not_from_its_present_pod()
    {
        // Case B5 at a tenth of its times: a deadline of six minutes, the first pod fails after five.
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "retried", "annotations": {"bursar.dev/expected-duration": "2h"}}, "spec": {"activeDeadlineSeconds": 360,
             "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "5m", "sim.bursar.dev/exit-code": "1"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """);
        await scene.UntilAsync("its second pod runs", async () =>
        {
            await scene.PassAsync(5);
            return (await world.JobAsync(scene.Team, "retried", Ct)).Status is { Failed: 1, Active: 1 };
        }, TimeSpan.FromMinutes(10));
        await scene.UntilAsync("it is projected at no more than its deadline", async () =>
            (await scene.StatusAsync())?.Workloads is [{ State: "Running", Projected: { } projected }] && decimal.Parse(projected, CultureInfo.InvariantCulture) <= 0.31m);
    }

    private static Task JobAsync(Scene scene, string name, int completions, int parallelism, string runFor, string? declared = null)
    {
        var annotations = new JsonObject();
        if (declared is not null) annotations["bursar.dev/expected-duration"] = declared;
        return scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", $$$$$$"""
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{{{name}}}}}}", "annotations": {{{{{{annotations.ToJsonString()}}}}}}},
         "spec": {"completions": {{{{{{completions}}}}}}, "parallelism": {{{{{{parallelism}}}}}}, "completionMode": "Indexed",
           "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "{{{{{{runFor}}}}}}"}}, "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
        """);
    }

    /// <summary>Until its end it is never suspended, and from its first completion on the projection is its cost.</summary>
    private static async Task FollowAsync(Scene scene, string name, int completions, decimal cost)
    {
        var seen = new List<decimal>();
        await scene.UntilAsync($"{name} is done", async () =>
        {
            await scene.PassAsync(30);
            var job = await scene.World.JobAsync(scene.Team, name, Ct);
            job.Spec.Suspend.Should().NotBe(true, "after {0} of {1} completions", job.Status.Succeeded, completions);
            // What the status says of a sweep that has told its pace; it is written later than the Job's.
            if (job.Status.Succeeded < completions && (await scene.StatusAsync()) is { Workloads: [{ State: "Running", Eta.Source: "completions" }], Projected: { } projected })
                seen.Add(decimal.Parse(projected, CultureInfo.InvariantCulture));
            return job.Status.Succeeded == completions;
        }, TimeSpan.FromMinutes(completions * 6 + 60));
        seen.Should().NotBeEmpty();
        seen.Should().OnlyContain(one => Math.Abs(one - cost) < cost * 0.07m, "it costs {0}", cost);
    }

    private static async Task WorkersAsync(Scene scene, string job, int count)
    {
        var cluster = await Kinds.CreateAsync(scene, "RayCluster", "ray-abc", "{}", declared: null, owner: ("RayJob", "ray", job));
        for (var i = 0; i < count; i++)
            await scene.CreateAsync($"/api/v1/namespaces/{scene.Team}/pods", $$$$"""
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray-worker-{{{{i}}}}", "labels": {"app": "gang"},
                   "ownerReferences": [{"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "ray-abc", "uid": "{{{{cluster}}}}", "controller": true} ]},
                 "spec": {"containers": [{"name": "main", "image": "example/ray", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
                """);
    }
}
