using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Bursar.Core.Text;
using Bursar.Sandbox.Controllers;

namespace Bursar.Sandbox.Nodes;

/// <summary>The workload of a simulated pod, from its annotations.</summary>
internal abstract record Workload
{
    public TimeSpan Startup { get; init; }

    public int ExitCode { get; init; }

    public TimeSpan TermTime { get; init; }

    public int TermExitCode { get; init; } = 143;

    /// <summary>The utilization of its devices after startup, 0 to 1.</summary>
    public double Busy { get; init; }

    /// <summary>The port of its metrics page, or null.</summary>
    public int? Port { get; init; }

    /// <summary>True if the pod is ready only after its startup, as for a server.</summary>
    public virtual bool ReadyAfterStartup => false;

    /// <summary>Reads a workload; on failure <paramref name="error"/> names the invalid annotation.</summary>
    public static bool TryRead(
        IReadOnlyDictionary<string, string> annotations,
        [NotNullWhen(true)] out Workload? workload,
        [NotNullWhen(false)] out string? error
    )
    {
        var reader = new Reader(annotations);
        var work = annotations.GetValueOrDefault(SimulationAnnotations.Work, "run");
        workload = work switch
        {
            "run" => new RunWorkload
            {
                RunFor =
                    reader.Duration(SimulationAnnotations.RunFor)
                    + ((reader.Duration(SimulationAnnotations.RunForPerIndex) ?? TimeSpan.Zero) * (reader.Int(JobPlanner.IndexKey) ?? 0)),
                ExitCode = reader.Int(SimulationAnnotations.ExitCode) ?? 0,
                Busy = reader.Share(SimulationAnnotations.Busy) ?? 0.5,
                Port = reader.Int(SimulationAnnotations.Port),
            },
            "training" => new TrainingWorkload
            {
                Steps = reader.Long(SimulationAnnotations.Steps) ?? 1000,
                StepTime = reader.Duration(SimulationAnnotations.StepTime) ?? TimeSpan.FromMilliseconds(100),
                SlowAfter = reader.Long(SimulationAnnotations.SlowAfter),
                SlowFactor = reader.Number(SimulationAnnotations.SlowFactor, 1, 1000) ?? 1,
                CheckpointEvery = reader.Long(SimulationAnnotations.CheckpointEvery) is > 0 and var every ? every : null,
                CheckpointTime = reader.Duration(SimulationAnnotations.CheckpointTime) ?? TimeSpan.Zero,
                CheckpointOnTerm = reader.Flag(SimulationAnnotations.CheckpointOnTerm),
                OnRequest = reader.Answers(SimulationAnnotations.CheckpointOnRequest),
                CheckpointPoll = reader.Duration(SimulationAnnotations.CheckpointPoll) is { Ticks: > 0 } poll
                    ? poll
                    : TimeSpan.FromSeconds(5),
                FailAtStep = reader.Long(SimulationAnnotations.FailAtStep),
                Jitter = reader.Number(SimulationAnnotations.Jitter, 0, 0.5) ?? 0,
                Reports = reader.Reports(SimulationAnnotations.Report),
                ReportEvery = reader.Duration(SimulationAnnotations.ReportEvery) ?? TimeSpan.FromSeconds(10),
                ExitCode = reader.Int(SimulationAnnotations.ExitCode)
                    ?? (annotations.ContainsKey(SimulationAnnotations.FailAtStep) ? 1 : 0),
                Busy = reader.Share(SimulationAnnotations.Busy) ?? 0.95,
                Port = reader.Int(SimulationAnnotations.Port)
                    ?? (reader.Reports(SimulationAnnotations.Report).HasFlag(ProgressReports.Metric) ? 9000 : null),
            },
            "inference" => new InferenceWorkload
            {
                Model = annotations.GetValueOrDefault(SimulationAnnotations.Model, "simulated"),
                TokensPerSecond = reader.Number(SimulationAnnotations.TokensPerSecond, 0, 1e9) ?? 1000,
                PromptTokensPerSecond = reader.Number(SimulationAnnotations.PromptTokensPerSecond, 0, 1e9),
                CacheBytes = reader.Long(SimulationAnnotations.CacheBytes),
                Waiting = reader.Int(SimulationAnnotations.Waiting) ?? 0,
                FirstToken = reader.Duration(SimulationAnnotations.FirstToken) ?? TimeSpan.FromMilliseconds(200),
                ExitCode = reader.Int(SimulationAnnotations.ExitCode) ?? 0,
                Busy = reader.Share(SimulationAnnotations.Busy) ?? 0.6,
                Port = reader.Int(SimulationAnnotations.Port) ?? 8000,
            },
            _ => null,
        };
        if (workload is null)
        {
            error = $"{SimulationAnnotations.Work}: \"{work}\" is none of run, training, inference";
            return false;
        }

        workload = workload with
        {
            Startup = reader.Duration(SimulationAnnotations.Startup) ?? TimeSpan.Zero,
            TermTime = reader.Duration(SimulationAnnotations.TermTime) ?? TimeSpan.FromSeconds(1),
            TermExitCode = reader.Int(SimulationAnnotations.TermExitCode) ?? 143,
        };
        if (reader.IndexFails())
            workload = workload with { ExitCode = 1 };
        error = reader.Error;
        if (error is null)
            return true;
        workload = null;
        return false;
    }

    private sealed class Reader(IReadOnlyDictionary<string, string> annotations)
    {
        public string? Error { get; private set; }

        public TimeSpan? Duration(string key) =>
            Read(key, "a duration that is not negative", static text =>
                GoDuration.TryParse(text, out var value) && value >= TimeSpan.Zero ? value : (TimeSpan?)null
            );

        public long? Long(string key) =>
            Read(key, "a whole number that is not negative", static text =>
                long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : (long?)null
            );

        public int? Int(string key) =>
            Read(key, "a whole number from 0 to 65535", static text =>
                ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : (int?)null
            );

        public double? Share(string key) => Number(key, 0, 1);

        public double? Number(string key, double least, double most) =>
            Read(key, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"), text =>
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
                    ? value
                    : (double?)null
            );

        public bool Flag(string key) =>
            Read(key, "true or false", static text => bool.TryParse(text, out var value) ? value : (bool?)null) ?? false;

        /// <summary>True if this attempt of the pod's completion index must fail.</summary>
        public bool IndexFails()
        {
            var attempts = Int(SimulationAnnotations.FailAttempts);
            if (Read(SimulationAnnotations.FailIndexes, "a list of indexes", IndexIsOneOf) is not true)
                return false;
            return attempts is null || (Int(JobPlanner.FailuresKey) ?? 0) + (Int(JobPlanner.IgnoredFailuresKey) ?? 0) < attempts;
        }

        private bool? IndexIsOneOf(string list)
        {
            try
            {
                var indexes = CompletionIndexes.Parse(list);
                return Int(JobPlanner.IndexKey) is { } index && indexes.Contains(index);
            }
            catch (FormatException)
            {
                return null;
            }
        }

        public ProgressReports Reports(string key)
        {
            return Read(key, "a list of metric, post, annotation", static text =>
            {
                var reports = ProgressReports.None;
                foreach (var word in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                {
                    switch (word)
                    {
                        case "metric":
                            reports |= ProgressReports.Metric;
                            break;
                        case "post":
                            reports |= ProgressReports.Post;
                            break;
                        case "annotation":
                            reports |= ProgressReports.Annotation;
                            break;
                        default:
                            return (ProgressReports?)null;
                    }
                }

                return reports;
            }) ?? ProgressReports.None;
        }

        public CheckpointAnswers Answers(string key) => Read(key, "post, annotation or ignore", static text => text switch
                {
                    "post" => CheckpointAnswers.Post,
                    "annotation" => CheckpointAnswers.Annotation,
                    "ignore" => CheckpointAnswers.Ignore,
                    _ => (CheckpointAnswers?)null,
                }) ?? CheckpointAnswers.None;

        private T? Read<T>(string key, string expected, Func<string, T?> parse)
            where T : struct
        {
            if (!annotations.TryGetValue(key, out var text))
                return null;
            var value = parse(text);
            if (value is null)
                Error ??= $"{key}: \"{text}\" is not {expected}";
            return value;
        }
    }
}

/// <summary>How a trainer reacts to a checkpoint request.</summary>
internal enum CheckpointAnswers
{
    None,
    Post,
    Annotation,
    Ignore,
}

/// <summary>How a trainer reports its progress.</summary>
[Flags]
internal enum ProgressReports
{
    None = 0,
    Metric = 1,
    Post = 2,
    Annotation = 4,
}

/// <summary>Runs for a given time, or until it is terminated.</summary>
internal sealed record RunWorkload : Workload
{
    public TimeSpan? RunFor { get; init; }
}

internal sealed record TrainingWorkload : Workload
{
    public long Steps { get; init; }

    public TimeSpan StepTime { get; init; }

    public long? SlowAfter { get; init; }

    public double SlowFactor { get; init; } = 1;

    public long? CheckpointEvery { get; init; }

    public TimeSpan CheckpointTime { get; init; }

    public bool CheckpointOnTerm { get; init; }

    public CheckpointAnswers OnRequest { get; init; }

    public TimeSpan CheckpointPoll { get; init; }

    public long? FailAtStep { get; init; }

    public double Jitter { get; init; }

    public ProgressReports Reports { get; init; }

    public TimeSpan ReportEvery { get; init; }

    public TrainingSchedule Schedule(long resumeStep, DeterministicNoise noise) =>
        new()
        {
            TotalSteps = Steps,
            StepTime = StepTime,
            ResumeStep = Math.Min(resumeStep, Steps),
            Startup = Startup,
            SlowAfter = SlowAfter,
            SlowFactor = SlowFactor,
            CheckpointEvery = CheckpointEvery,
            CheckpointTime = CheckpointTime,
            Jitter = Jitter,
            Noise = noise,
        };
}

internal sealed record InferenceWorkload : Workload
{
    public string Model { get; init; } = "";

    /// <summary>Generated tokens per second while it serves.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Null means four prompt tokens per generated token.</summary>
    public double? PromptTokensPerSecond { get; init; }

    /// <summary>The bytes of each GPU that the KV cache reserves; null if they are not exposed.</summary>
    public long? CacheBytes { get; init; }

    public int Waiting { get; init; }

    public TimeSpan FirstToken { get; init; }

    public override bool ReadyAfterStartup => true;
}
