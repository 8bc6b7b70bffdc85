using System.Text.Json.Nodes;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;

namespace Bursar.Tests.Simulation;

/// <summary>A job or a deployment as it truly is: how long its steps take, what it tells, and how it stops.</summary>
public sealed record WorkPlan(string Name)
{
    public WorkloadClass Class { get; init; } = WorkloadClass.Training;

    public int Gpus { get; init; } = 1;

    public string Product { get; init; } = "V100";

    public int Priority { get; init; }

    public long Steps { get; init; } = 30_000;

    public double SecondsPerStep { get; init; } = 0.09;

    /// <summary>How far a stretch's speed may be off, as a share.</summary>
    public double Jitter { get; init; }

    /// <summary>From this step on every step takes this many times as long.</summary>
    public (long From, double Factor)? Slows { get; init; }

    public TimeSpan WarmUp { get; init; }

    /// <summary>The chance that a stretch holds a pause of a whole stretch.</summary>
    public double Pauses { get; init; }

    public TimeSpan ReportEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>It tells its total with its progress; otherwise nothing tells how long it runs.</summary>
    public bool TellsProgress { get; init; } = true;

    public TimeSpan? Declared { get; init; }

    public long CheckpointEvery { get; init; }

    /// <summary>How long it takes to write a checkpoint that is asked for; null: it cannot answer.</summary>
    public TimeSpan? AnswersIn { get; init; }

    /// <summary>It says that it can answer, and never does.</summary>
    public bool Ignores { get; init; }

    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(30);

    public bool Exempt { get; init; }

    public string? NotSuspendable { get; init; }

    public override string ToString() => $"{(Class == WorkloadClass.Inference ? "Deployment" : "Job")}/{Name}";
}

/// <summary>The state of one job or deployment in the cluster.</summary>
public sealed class StoryWork(WorkPlan plan, DateTimeOffset createdAt)
{
    public WorkPlan Plan { get; } = plan;

    public DateTimeOffset CreatedAt { get; } = createdAt;

    public WorkloadKey Key { get; } =
        new("team", plan.Class == WorkloadClass.Inference ? "Deployment" : "Job", plan.Name, "uid-" + plan.Name);

    /// <summary>Where the API server keeps it.</summary>
    public string Path { get; } =
        plan.Class == WorkloadClass.Inference
            ? $"/apis/apps/v1/namespaces/team/deployments/{plan.Name}"
            : $"/apis/batch/v1/namespaces/team/jobs/{plan.Name}";

    /// <summary>The object as its user makes it, with the switch on or off.</summary>
    public JsonObject Object(bool stopped) =>
        new()
        {
            ["apiVersion"] = Plan.Class == WorkloadClass.Inference ? "apps/v1" : "batch/v1",
            ["kind"] = Key.Kind,
            ["metadata"] = new JsonObject
            {
                ["name"] = Key.Name,
                ["namespace"] = Key.Namespace,
                ["uid"] = Key.Uid,
            },
            ["spec"] =
                Plan.Class == WorkloadClass.Inference
                    ? new JsonObject { ["replicas"] = stopped ? 0 : 1 }
                    : new JsonObject { ["suspend"] = stopped },
        };

    /// <summary>Whether an object of it says that it is stopped.</summary>
    public static bool IsStopped(JsonObject obj) =>
        obj["spec"]!["suspend"] is { } suspend ? (bool)suspend : (int)obj["spec"]!["replicas"]! == 0;

    /// <summary>Whether its pods are stopped: some time after the object says so.</summary>
    public bool Suspended { get; set; }

    public DateTimeOffset SuspendChangedAt { get; set; } = createdAt;

    public bool Ended { get; set; }

    public double Done { get; set; }

    /// <summary>The mirror of the request on the object.</summary>
    public string? Asked { get; set; }

    /// <summary>The request that it answered last, and the checkpoint it wrote for it.</summary>
    public (string Id, CheckpointMark Mark)? Answer { get; set; }

    public int Runs { get; set; }

    public StoryPod? Pod { get; set; }

    public DateTimeOffset WaitsSince { get; set; } = createdAt;

    public List<StoryPod> Pods { get; } = [];
}

public sealed class StoryPod(string uid, StoryWork work, StoryNode node, DateTimeOffset scheduledAt)
{
    public string Uid { get; } = uid;

    public StoryWork Work { get; } = work;

    public StoryNode Node { get; } = node;

    public DateTimeOffset ScheduledAt { get; } = scheduledAt;

    public bool Terminating { get; set; }

    public DateTimeOffset? FinishedAt { get; set; }
}

public sealed class StoryNode(string name, string product, int gpus)
{
    public string Name { get; } = name;

    public string Product { get; } = product;

    public int Gpus { get; } = gpus;

    public int Free { get; set; } = gpus;

    public DateTimeOffset? LostAt { get; set; }
}
