using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Telemetry;

namespace Bursar.Tests.Unit.Operator.Telemetry;

public sealed class SeriesRecorderTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Completed_run_is_recorded_once_and_predicts_the_next()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        var recorder = new SeriesRecorder(ledger, state, new ProgressTracker());
        var first = Job("nightly-1", "Complete");

        recorder.Observe(Read(first));
        recorder.Observe(Read(first));
        // A restarted operator observes the run again.
        new SeriesRecorder(ledger, state, new ProgressTracker()).Observe(Read(first));

        var next = Job("nightly-2", null);
        SeriesRecorder
            .EarlierRuns(state, next.Metadata, next.Spec.Template, [])
            .Should()
            .Equal(new EarlierRun(TimeSpan.FromMinutes(40), 30_000));
    }

    [Fact]
    public void Failed_or_running_job_is_not_recorded()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        var recorder = new SeriesRecorder(ledger, state, new ProgressTracker());

        recorder.Observe(Read(Job("nightly-1", "Failed")));
        recorder.Observe(Read(Job("nightly-2", null)));

        state.Runs("team", "named/nightly").Should().BeEmpty();
    }

    [Fact]
    public void Series_comes_from_annotation_then_CronJob_then_generated_name()
    {
        var cron = new V1OwnerReference
        {
            ApiVersion = "batch/v1",
            Kind = "CronJob",
            Name = "eval",
            Uid = "cron-uid",
            Controller = true,
        };
        var meta = new V1ObjectMeta
        {
            Name = "eval-28394",
            Namespace = "team",
            Uid = "uid",
            GenerateName = "eval-",
            OwnerReferences = [cron],
        };

        SeriesRecorder
            .KeyOf(
                meta with
                {
                    Annotations = new Dictionary<string, string> { ["bursar.dev/series"] = "nightly" },
                },
                V1PodTemplateSpec.Empty
            )
            .Should()
            .Be("named/nightly");
        SeriesRecorder.KeyOf(meta, V1PodTemplateSpec.Empty).Should().Be("CronJob/eval");
        SeriesRecorder.KeyOf(meta with { OwnerReferences = [] }, V1PodTemplateSpec.Empty).Should().Be("generated/eval-");
        SeriesRecorder
            .KeyOf(meta with { OwnerReferences = [cron with { Kind = "Workflow" }] }, V1PodTemplateSpec.Empty)
            .Should()
            .BeNull("children of other kinds are not runs of a series");
        SeriesRecorder.KeyOf(new() { Name = "train", Namespace = "team" }, V1PodTemplateSpec.Empty).Should().BeNull();
    }

    [Fact]
    public void Child_of_another_workload_is_no_run_of_its_own()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        var recorder = new SeriesRecorder(ledger, state, new ProgressTracker());
        var job = Job("tune-worker-0", "Complete");

        recorder.Observe(
            Read(
                job with
                {
                    Metadata = job.Metadata with
                    {
                        OwnerReferences =
                        [
                            new()
                            {
                                ApiVersion = "jobset.x-k8s.io/v1alpha2",
                                Kind = "JobSet",
                                Name = "tune",
                                Uid = "set",
                                Controller = true,
                            },
                        ],
                    },
                }
            )
        );

        state.Runs("team", "named/nightly").Should().BeEmpty();
    }

    [Fact]
    public void Gang_is_recorded_as_a_run()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        var job = Job("x", null);
        var gang = ((WorkloadKind<V1PyTorchJob>)WorkloadKinds.Find("PyTorchJob")!).Read(
            new()
            {
                Metadata = job.Metadata,
                Spec = new()
                {
                    PyTorch = new Dictionary<string, KubeflowReplicaSpec>
                    {
                        ["Worker"] = new() { Replicas = 4, Template = job.Spec.Template },
                    },
                },
                Status = new()
                {
                    StartTime = Start,
                    CompletionTime = Start.AddMinutes(25),
                    Conditions =
                    [
                        new()
                        {
                            Type = "Succeeded",
                            Status = "True",
                            LastTransitionTime = Start.AddMinutes(25),
                        },
                    ],
                },
            }
        );

        new SeriesRecorder(ledger, state, new ProgressTracker()).Observe(gang);

        state.Runs("team", "named/nightly").Should().Equal(new SeriesRun("uid-x", Start.AddMinutes(25), 25 * 60_000, 30_000));
    }

    /// <summary>
    /// Ten pieces of an hour, at one parallelism and then at another. The next run costs ten GPU-hours in every case.
    /// </summary>
    [Theory]
    [InlineData(1, 1, 10)]
    [InlineData(1, 5, 2)]
    [InlineData(1, 10, 1)]
    [InlineData(5, 1, 10)]
    [InlineData(10, 1, 10)]
    [InlineData(10, 10, 1)]
    public void Next_run_of_a_sweep_scales_its_pieces_to_its_own_parallelism(int before, int now, int hours)
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        ledger.Install(Start.AddHours(-1));
        for (var piece = 0; piece < 10; piece++)
            ledger.Observe(Pod($"sweep-1-{piece}", piece / before, 1) with { Succeeded = true });
        // The time of a stopped pod is not the time of a piece.
        if (before > 1)
            ledger.Observe(Pod("sweep-1-stopped", 0, 0.5));
        var first = Sweep("sweep-1", before);
        new SeriesRecorder(ledger, state, new ProgressTracker()).Observe(
            Read(
                first with
                {
                    Status = first.Status with
                    {
                        Succeeded = 10,
                        CompletionTime = Start.AddHours(10 / before),
                        Conditions = [new() { Type = "Complete", Status = "True" }],
                    },
                }
            )
        );

        var next = Sweep("sweep-2", now);
        var pieces = PieceSet.From(next)!.Count([], 1, () => [], () => null, Start);
        var runs = SeriesRecorder.EarlierRuns(state, next.Metadata, next.Spec.Template, [pieces]);

        runs.Should().Equal(new EarlierRun(TimeSpan.FromHours(hours)));
        (
            Estimator
                .AfterResume(
                    new()
                    {
                        EarlierRuns = runs,
                        Pieces = [pieces],
                        Gpus = now,
                    }
                )
                .Likely * now
        ).Should().BeCloseTo(TimeSpan.FromHours(10), TimeSpan.FromSeconds(1));
    }

    private static V1Job Sweep(string name, int parallelism)
    {
        var job = Job(name, null);
        return job with
        {
            Metadata = job.Metadata with { Annotations = new Dictionary<string, string> { ["bursar.dev/series"] = "nightly" } },
            Spec = job.Spec with { Completions = 10, Parallelism = parallelism, CompletionMode = "Indexed" },
        };
    }

    private static PodObservation Pod(string uid, double from, double hours) =>
        new()
        {
            Uid = uid,
            Pod = uid,
            Workload = new("team", "Job", "sweep-1", "uid-sweep-1"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "node",
            Gpus = 1,
            ScheduledAt = Start.AddHours(from),
            FinishedAt = Start.AddHours(from + hours),
            ObservedAt = Start.AddHours(from + hours),
        };

    private static WorkloadObject Read(V1Job job) => ((WorkloadKind<V1Job>)WorkloadKinds.Find("Job")!).Read(job);

    private static V1Job Job(string name, string? condition) =>
        new()
        {
            Metadata = new()
            {
                Name = name,
                Namespace = "team",
                Uid = "uid-" + name,
                CreationTimestamp = Start,
                Annotations = new Dictionary<string, string> { ["bursar.dev/series"] = "nightly", ["bursar.dev/total-steps"] = "30000" },
            },
            Spec = new()
            {
                Template = new()
                {
                    Spec = new()
                    {
                        Containers =
                        [
                            new()
                            {
                                Name = "train",
                                Resources = new() { Limits = new Dictionary<string, string> { ["nvidia.com/gpu"] = "1" } },
                            },
                        ],
                    },
                },
            },
            Status = new()
            {
                StartTime = Start,
                CompletionTime = condition == "Complete" ? Start.AddMinutes(40) : null,
                Conditions = condition is null ? [] : [new() { Type = condition, Status = "True" }],
            },
        };
}
