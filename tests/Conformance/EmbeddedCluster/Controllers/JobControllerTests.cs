using System.Text.Json.Nodes;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.SimulatedCluster;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Controllers;

public sealed class JobControllerTests
{
    private static readonly FleetNode Node = new() { Name = "n1", Gpus = 8 };

    [Fact]
    public async Task Job_runs_its_completions_in_parallel_and_completes()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(
            Job(
                "work",
                spec =>
                {
                    spec["completions"] = 3;
                    spec["parallelism"] = 2;
                },
                gpus: 1,
                ("run-for", "30s")
            )
        );

        await cluster.PassAsync(TimeSpan.FromSeconds(10));
        var early = await cluster.JobAsync("work");
        await cluster.PassAsync(TimeSpan.FromMinutes(2));
        var late = await cluster.JobAsync("work");

        ((int?)early["status"]!["active"]).Should().Be(2);
        ((int?)early["status"]!["ready"]).Should().Be(2);
        ((int?)late["status"]!["succeeded"]).Should().Be(3);
        Condition(late, "SuccessCriteriaMet").Should().Be("True");
        Condition(late, "Complete").Should().Be("True");
        late["status"]!["completionTime"].Should().NotBeNull();
        (await cluster.PodsAsync())
            .Should()
            .HaveCount(3)
            .And.OnlyContain(pod => (string?)pod["status"]!["phase"] == "Succeeded" && pod["metadata"]!["finalizers"] == null);
        (await cluster.EventReasonsAsync("work"))
            .Should()
            .BeEquivalentTo("SuccessfulCreate", "SuccessfulCreate", "SuccessfulCreate", "Completed");
    }

    [Fact]
    public async Task Suspension_ends_the_pods_with_their_grace_and_counts_nothing()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(Job("work", spec => spec["backoffLimit"] = 0, gpus: 1, ("run-for", "1h"), ("term-time", "5s")));
        await cluster.PassAsync(TimeSpan.FromSeconds(20));
        var before = (await cluster.PodsAsync()).Single();

        await cluster.SuspendAsync("work", true);
        await cluster.PassAsync(TimeSpan.FromSeconds(2));
        var ending = (await cluster.PodsAsync()).Single();
        var suspending = await cluster.JobAsync("work");
        await cluster.PassAsync(TimeSpan.FromSeconds(10));
        var suspended = await cluster.JobAsync("work");
        var gone = await cluster.PodsAsync();
        await cluster.SuspendAsync("work", false);
        await cluster.PassAsync(TimeSpan.FromSeconds(10));
        var resumed = await cluster.JobAsync("work");

        before["metadata"]!["finalizers"]!.AsArray().Select(f => (string)f!).Should().Contain("batch.kubernetes.io/job-tracking");
        ending["metadata"]!["deletionTimestamp"].Should().NotBeNull();
        ending["metadata"]!["finalizers"].Should().BeNull();
        ((int?)suspending["status"]!["terminating"]).Should().Be(1);
        gone.Should().BeEmpty();
        Condition(suspended, "Suspended").Should().Be("True");
        ((int?)suspended["status"]!["failed"] ?? 0).Should().Be(0, "an exit after the suspension does not use up the back-off limit");
        Condition(suspended, "Failed").Should().BeNull();
        Condition(resumed, "Suspended").Should().Be("False");
        ((int?)resumed["status"]!["active"]).Should().Be(1);
        ((string?)resumed["status"]!["startTime"]).Should().Be("2026-11-02T08:00:32Z", "a resumed Job starts anew");
        (await cluster.EventReasonsAsync("work"))
            .Should()
            .BeEquivalentTo("SuccessfulCreate", "SuccessfulDelete", "Suspended", "Resumed", "SuccessfulCreate");
    }

    [Fact]
    public async Task Exit_0_after_the_suspension_is_no_completion()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(Job("work", null, gpus: 1, ("run-for", "1h"), ("term-exit-code", "0")));
        await cluster.PassAsync(TimeSpan.FromSeconds(20));

        await cluster.SuspendAsync("work", true);
        await cluster.PassAsync(TimeSpan.FromMinutes(1));

        var job = await cluster.JobAsync("work");
        ((int?)job["status"]!["succeeded"] ?? 0).Should().Be(0);
        Condition(job, "Complete").Should().BeNull();
    }

    [Fact]
    public async Task FailJob_rule_that_matches_the_exit_after_a_suspension_fails_the_job_for_good()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(
            Job(
                "work",
                spec =>
                    spec["podFailurePolicy"] = new JsonObject
                    {
                        ["rules"] = new JsonArray(
                            new JsonObject
                            {
                                ["action"] = "FailJob",
                                ["onExitCodes"] = new JsonObject { ["operator"] = "In", ["values"] = new JsonArray(143) },
                            }
                        ),
                    },
                gpus: 1,
                ("run-for", "1h")
            )
        );
        await cluster.PassAsync(TimeSpan.FromSeconds(20));

        await cluster.SuspendAsync("work", true);
        await cluster.PassAsync(TimeSpan.FromMinutes(1));

        var job = await cluster.JobAsync("work");
        Condition(job, "Failed").Should().Be("True");
        job["status"]!["conditions"]!.AsArray().Single(c => (string?)c!["type"] == "Failed")!["reason"]!
            .GetValue<string>()
            .Should()
            .Be("PodFailurePolicy");
    }

    [Fact]
    public async Task Failures_are_tried_again_after_a_growing_wait_up_to_the_limit()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(Job("work", spec => spec["backoffLimit"] = 2, gpus: 1, ("run-for", "10s"), ("exit-code", "3")));

        await cluster.PassAsync(TimeSpan.FromMinutes(5));

        var job = await cluster.JobAsync("work");
        ((int?)job["status"]!["failed"]).Should().Be(3);
        Condition(job, "FailureTarget").Should().Be("True");
        Condition(job, "Failed").Should().Be("True");
        var starts = (await cluster.PodsAsync())
            .Select(pod => DateTimeOffset.Parse((string)pod["metadata"]!["creationTimestamp"]!))
            .Order()
            .ToList();
        // Pull 2 s and run 10 s, then waits of 10 s and 20 s.
        starts.Should().Equal(Start, Start.AddSeconds(22), Start.AddSeconds(54));
    }

    [Fact]
    public async Task Ignored_exit_code_is_replaced_and_not_counted()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(
            Job(
                "work",
                spec =>
                {
                    spec["backoffLimit"] = 0;
                    spec["podFailurePolicy"] = new JsonObject
                    {
                        ["rules"] = new JsonArray(
                            new JsonObject
                            {
                                ["action"] = "Ignore",
                                ["onExitCodes"] = new JsonObject { ["operator"] = "In", ["values"] = new JsonArray(42) },
                            }
                        ),
                    };
                },
                gpus: 1,
                ("run-for", "10s"),
                ("exit-code", "42")
            )
        );

        await cluster.PassAsync(TimeSpan.FromSeconds(40));

        var job = await cluster.JobAsync("work");
        ((int?)job["status"]!["failed"] ?? 0).Should().Be(0);
        Condition(job, "Failed").Should().BeNull();
        (await cluster.PodsAsync()).Count.Should().BeGreaterThan(2);
    }

    [Fact]
    public async Task Indexed_job_creates_a_pod_for_every_index()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(
            Job(
                "work",
                spec =>
                {
                    spec["completionMode"] = "Indexed";
                    spec["completions"] = 4;
                    spec["parallelism"] = 3;
                },
                gpus: 1,
                ("run-for", "30s")
            )
        );

        await cluster.PassAsync(TimeSpan.FromSeconds(33));
        var middle = await cluster.JobAsync("work");
        var pods = await cluster.PodsAsync();
        await cluster.PassAsync(TimeSpan.FromMinutes(1));
        var done = await cluster.JobAsync("work");

        ((string?)middle["status"]!["completedIndexes"]).Should().Be("0-2");
        ((string?)done["status"]!["completedIndexes"]).Should().Be("0-3");
        Condition(done, "Complete").Should().Be("True");
        pods.Select(pod => (string)pod["metadata"]!["annotations"]!["batch.kubernetes.io/job-completion-index"]!)
            .Should()
            .BeEquivalentTo("0", "1", "2", "3");
        pods[1]["spec"]!["containers"]![0]!["env"]!.ToJsonString().Should().Contain("JOB_COMPLETION_INDEX");
        ((string?)pods[1]["spec"]!["hostname"]).Should().Be("work-1");
    }

    [Fact]
    public async Task Deadline_fails_the_job_and_ends_its_pods()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(Job("work", spec => spec["activeDeadlineSeconds"] = 60, gpus: 1, ("run-for", "1h")));

        await cluster.PassAsync(TimeSpan.FromSeconds(70));

        var job = await cluster.JobAsync("work");
        job["status"]!["conditions"]!.AsArray().Single(c => (string?)c!["type"] == "Failed")!["reason"]!
            .GetValue<string>()
            .Should()
            .Be("DeadlineExceeded");
        (await cluster.PodsAsync()).Should().NotContain(pod => (string?)pod["status"]!["phase"] == "Running");
    }

    [Fact]
    public async Task Finished_job_is_deleted_with_its_pods_after_its_time_to_live()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(Job("work", spec => spec["ttlSecondsAfterFinished"] = 30, gpus: 1, ("run-for", "10s")));

        await cluster.PassAsync(TimeSpan.FromSeconds(30));
        var there = await cluster.PodsAsync();
        await cluster.PassAsync(TimeSpan.FromSeconds(30));

        there.Should().HaveCount(1);
        (await cluster.GetAsync("/apis/batch/v1/namespaces/default/jobs"))["items"]!.AsArray().Should().BeEmpty();
        (await cluster.PodsAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task Job_managed_by_another_is_left_alone()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateJobAsync(Job("work", spec => spec["managedBy"] = "example.com/other"));

        await cluster.PassAsync(TimeSpan.FromMinutes(1));

        (await cluster.PodsAsync()).Should().BeEmpty();
    }
}
