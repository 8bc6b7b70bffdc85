using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.Unit.Operator.Cluster;

/// <summary>Pieces counted from a Job's status and timed by its pods.</summary>
public sealed class PieceSetTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Pieces_are_timed_by_the_pods_of_their_index()
    {
        var pieces = Count(
            """{"completions": 10, "parallelism": 3, "completionMode": "Indexed"}""",
            """{"succeeded": 1}""",
            minutes: 100,
            Pod("a", 0, 0, 60, "Succeeded"),
            Pod("b", 1, 0, 20, "Failed"),
            Pod("c", 1, 25, null),
            Pod("d", 2, 60, null)
        );

        pieces
            .Should()
            .BeEquivalentTo(
                new
                {
                    Total = 10,
                    Ended = 1,
                    AtOnce = 3,
                    Slots = 3,
                    ToCome = 7,
                }
            );
        pieces.Finished.Should().Equal(TimeSpan.FromMinutes(60));
        pieces
            .InFlight.Should()
            .BeEquivalentTo([TimeSpan.FromMinutes(95), TimeSpan.FromMinutes(40)], "the failed attempt at index 1 is part of its time");
    }

    [Fact]
    public void Succeeded_pod_counts_before_the_status_is_updated() =>
        Count("""{"completions": 10, "parallelism": 1}""", "{}", minutes: 60, Pod("a", null, 0, 60, "Succeeded")).Ended.Should().Be(1);

    [Fact]
    public void Piece_that_the_status_counts_is_not_in_flight_while_its_pod_seems_to_run()
    {
        var pieces = Count(
            """{"completions": 10, "parallelism": 1, "completionMode": "Indexed"}""",
            """{"succeeded": 1, "completedIndexes": "0"}""",
            minutes: 6,
            Pod("a", 0, 0, null)
        );

        pieces.ToCome.Should().Be(9);
        pieces.InFlight.Should().BeEmpty();
        pieces.Finished.Should().Equal(TimeSpan.FromMinutes(6));
    }

    [Fact]
    public void Indexes_that_failed_for_good_have_ended()
    {
        var pieces = Count(
            """{"completions": 100, "parallelism": 10, "completionMode": "Indexed", "backoffLimitPerIndex": 1}""",
            """{"succeeded": 45, "failedIndexes": "45-88,89"}""",
            minutes: 540,
            Pod("a", 45, 0, 30, "Failed"),
            Pod("b", 45, 40, 60, "Failed"),
            Pod("c", 90, 530, 535, "Failed")
        );

        pieces.Left.Should().Be(10);
        pieces.Finished.Should().Equal([TimeSpan.FromMinutes(50)], "index 90 is tried again");
        pieces.GpuTime.Should().BeNull("pods give the time");
    }

    [Fact]
    public void Failures_alone_do_not_change_the_estimate_of_other_pieces()
    {
        var pieces = Count(
            """{"completions": 10, "parallelism": 10, "completionMode": "Indexed", "backoffLimitPerIndex": 0}""",
            """{"failedIndexes": "3"}""",
            minutes: 5,
            Pod("a", 3, 0, 1, "Failed"),
            Pod("b", 4, 0, null)
        );
        var estimate = Estimator.Remaining(
            new()
            {
                Pieces = [pieces],
                Gpus = 10,
                DeclaredDuration = TimeSpan.FromHours(10),
                RunningSince = Start,
            },
            Start.AddMinutes(5)
        );

        pieces.Left.Should().Be(9);
        estimate.Source.Should().Be(EstimateSource.Declared);
        estimate.Likely.TotalHours.Should().BeApproximately(9, 0.2, "nine of ten GPUs are held for ten hours");
    }

    [Fact]
    public void Success_beyond_the_completions_of_a_Job_that_was_made_smaller_does_not_count()
    {
        // As kube-controller-manager 1.36 writes it after completions was reduced from 6 to 3.
        var pieces = Count(
            """{"completions": 3, "parallelism": 3, "completionMode": "Indexed"}""",
            """{"succeeded": 1, "completedIndexes": "0"}""",
            minutes: 60,
            Pod("a", 0, 0, 30, "Succeeded"),
            Pod("f", 5, 0, 30, "Succeeded"),
            Pod("b", 1, 0, null),
            Pod("c", 2, 0, null)
        );

        pieces.Should().BeEquivalentTo(new { Ended = 1, Left = 2 });
    }

    [Fact]
    public void Pod_that_is_being_deleted_is_not_in_flight()
    {
        var pieces = Count(
            """{"completions": 4, "parallelism": 2}""",
            "{}",
            minutes: 10,
            Pod("a", null, 0, null, deleted: true),
            Pod("b", null, 5, null),
            Pod("c", null, 0, 2, "Failed")
        );

        pieces.InFlight.Should().Equal(TimeSpan.FromMinutes(5));
        pieces.Retried.Should().Be(TimeSpan.FromMinutes(2));
    }

    [Theory]
    [InlineData(null, "{}")]
    [InlineData(1, "{\"completionMode\": \"Indexed\"}")]
    public void Pod_that_exits_zero_when_it_is_stopped_is_no_completion(int? index, string mode)
    {
        var spec = JsonNode.Parse(mode)!.AsObject();
        (spec["completions"], spec["parallelism"]) = (4, 2);

        var pieces = Count(spec.ToJsonString(), """{"succeeded": 1}""", minutes: 10, Pod("a", index, 0, 2, "Succeeded", deleted: true));

        pieces
            .Should()
            .BeEquivalentTo(
                new
                {
                    Ended = 1,
                    Left = 3,
                    Retried = TimeSpan.Zero,
                }
            );
        pieces.Finished.Should().BeEmpty();
    }

    [Fact]
    public void Pieces_without_finished_pods_use_the_GPU_time_of_the_job() =>
        Count("""{"completions": 100, "parallelism": 10}""", """{"succeeded": 40}""", minutes: 60)
            .GpuTime.Should()
            .Be(TimeSpan.FromHours(4));

    [Fact]
    public void Work_queue_has_no_pieces() => PieceSet.From(Job("""{"parallelism": 10}""", "{}")).Should().BeNull();

    [Theory]
    [InlineData("""{"rules": [{"succeededCount": 3}]}""", 1, 2, null)]
    [InlineData("""{"rules": [{"succeededIndexes": "0-4"}]}""", 3, 2, 1)]
    [InlineData("""{"rules": [{"succeededIndexes": "0-4", "succeededCount": 3}]}""", 1, 2, 0)]
    [InlineData("""{"rules": [{"succeededCount": 9}, {"succeededIndexes": "0"}]}""", 0, 1, 0)]
    public void Success_policy_decides_which_pieces_are_still_needed(string policy, int needed, int succeeded, int? toCome)
    {
        // 0 and 1 have succeeded, 2 and 3 run, 4 waits.
        var pieces = Count(
            $$"""{"completions": 40, "parallelism": 2, "completionMode": "Indexed", "successPolicy": {{policy}}}""",
            """{"succeeded": 2, "completedIndexes": "0,1"}""",
            minutes: 90,
            Pod("c", 2, 60, null),
            Pod("d", 3, 60, null)
        );

        pieces.Success.Should().Be(new EarlySuccess(needed, succeeded, toCome));
    }

    [Fact]
    public void Success_rule_that_an_index_failed_cannot_end_the_job() =>
        Count(
            """{"completions": 40, "parallelism": 2, "completionMode": "Indexed", "successPolicy": {"rules": [{"succeededIndexes": "0-4"}]}}""",
            """{"failedIndexes": "3"}""",
            minutes: 90
        )
            .Success.Should()
            .BeNull();

    [Theory]
    [InlineData("", 0)]
    [InlineData("3", 1)]
    [InlineData("1,3-5,7", 5)]
    [InlineData("9-3,x,4-", 0)]
    public void Index_ranges_are_counted(string text, int count) => IndexRanges.Parse(text).Count.Should().Be(count);

    /// <summary>
    /// Thirty pieces of an hour ran at a parallelism of ten, and their pods are gone. Then the user changed the parallelism. The time of
    /// the 70 pieces that are left does not depend on it.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(10)]
    [InlineData(50)]
    [InlineData(100)]
    public void Pieces_whose_pods_are_gone_keep_their_time_when_the_parallelism_changes(int parallelism)
    {
        var ended = Enumerable.Range(0, 30).Select(index => Ended($"sweep-{index}-abcde", index / 10 * 60, 60)).ToArray();
        foreach (var mode in (string[])["Indexed", "NonIndexed"])
        {
            var pieces = Count(
                $$"""{"completions": 100, "parallelism": {{parallelism}}, "completionMode": "{{mode}}"}""",
                """{"succeeded": 30, "completedIndexes": "0-29"}""",
                minutes: 180,
                mode == "Indexed" ? ended : [.. ended.Select((pod, i) => pod with { Pod = $"sweep-{i:00000}" })]
            );
            var estimate = Estimator.AfterResume(new() { Pieces = [pieces], DeclaredDuration = TimeSpan.FromHours(10) });

            estimate.Source.Should().Be(EstimateSource.Completions);
            (estimate.Likely.TotalHours * pieces.Slots).Should().BeApproximately(70, 0.5);
        }
    }

    [Fact]
    public void Attempts_whose_pods_are_gone_are_part_of_the_time_of_their_index()
    {
        // Index 0 took two attempts, 1 runs its second one, 2 failed for good and 3 has not begun. Another Job's pod, and one of an earlier
        // Job of this name, are left out.
        var pieces = Count(
            """{"completions": 4, "parallelism": 1, "completionMode": "Indexed", "backoffLimitPerIndex": 1}""",
            """{"succeeded": 1, "completedIndexes": "0", "failedIndexes": "2"}""",
            minutes: 100,
            [
                Ended("sweep-0-aaaaa", 0, 10, succeeded: false),
                Ended("sweep-0-bbbbb", 10, 20),
                Ended("sweep-1-ccccc", 30, 5, succeeded: false),
                Ended("sweep-2-ddddd", 40, 7, succeeded: false),
                Ended("sweep-2-eeeee", 50, 8, succeeded: false),
                Ended("sweep-1-0-fffff", 0, 90),
                Ended("sweep-0-ggggg", -60, 30),
            ],
            Pod("h", 1, 80, null)
        );

        pieces.Ended.Should().Be(2);
        pieces.Finished.Should().Equal(TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(15));
        pieces.InFlight.Should().Equal(TimeSpan.FromMinutes(25));
    }

    [Fact]
    public void Pod_of_a_Job_with_a_long_name_is_found_by_the_part_that_is_left()
    {
        var job = Job("""{"completions": 4, "parallelism": 1, "completionMode": "Indexed"}""", """{"succeeded": 1}""") with
        {
            Metadata = new() { Name = new string('a', 63), Uid = "job" },
        };

        PieceSet
            .From(job)!
            .Count(
                [],
                1,
                () => [Ended(new string('a', 54) + "-12-abcde", 0, 10), Ended(new string('a', 55) + "-3-abcde", 0, 20)],
                () => null,
                Start.AddHours(1)
            )
            .Finished.Should()
            .Equal(TimeSpan.FromMinutes(20));
    }

    private static Pieces Count(string spec, string status, int minutes, params V1Pod[] pods) => Count(spec, status, minutes, [], pods);

    private static Pieces Count(string spec, string status, int minutes, EndedPod[] ended, params V1Pod[] pods) =>
        PieceSet.From(Job(spec, status))!.Count(pods, 1, () => ended, () => TimeSpan.FromHours(4), Start.AddMinutes(minutes));

    private static EndedPod Ended(string name, int from, int minutes, bool succeeded = true) =>
        new(name, name, Start.AddMinutes(from), TimeSpan.FromMinutes(minutes), succeeded);

    private static V1Job Job(string spec, string status) =>
        JsonSerializer.Deserialize(
            $$"""{"metadata": {"name": "sweep", "uid": "job", "creationTimestamp": "2026-11-02T09:00:00Z"}, "spec": {{spec}}, "status": {{status}}}""",
            V1Job.JsonTypeInfo
        )!;

    private static V1Pod Pod(string uid, int? index, int from, int? to, string phase = "Running", bool deleted = false)
    {
        static string Time(int minutes) => Start.AddMinutes(minutes).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        var metadata = JsonNode.Parse(
            $$$"""{"name": "{{{uid}}}", "uid": "{{{uid}}}", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "sweep", "uid": "job", "controller": true}]}"""
        )!;
        if (index is not null)
            metadata["annotations"] = new JsonObject
            {
                ["batch.kubernetes.io/job-completion-index"] = index.Value.ToString(CultureInfo.InvariantCulture),
            };
        if (deleted)
            metadata["deletionTimestamp"] = Time(from + 1);
        var state = to is { } end
            ? $$$"""{"terminated": {"exitCode": 0, "startedAt": "{{{Time(from)}}}", "finishedAt": "{{{Time(end)}}}"}}"""
            : "{}";
        return JsonSerializer.Deserialize(
            $$$"""
            {"metadata": {{{metadata.ToJsonString()}}}, "spec": {"nodeName": "gpu-1", "containers": [{"name": "main"}]},
             "status": {"phase": "{{{phase}}}", "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "{{{Time(
                from
            )}}}"}], "containerStatuses": [{"name": "main", "state": {{{state}}}}]}}
            """,
            V1Pod.JsonTypeInfo
        )!;
    }
}
