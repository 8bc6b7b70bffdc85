using System.Text.Json.Nodes;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;

namespace Bursar.Tests.Simulation;

/// <summary>The actual behavior of a job or a deployment: the duration of its steps, its reports, and its stop.</summary>
public sealed record WorkPlan(string Name)
{
    public WorkloadClass Class { get; init; } = WorkloadClass.Training;

    public int Gpus { get; init; } = 1;

    public string Product { get; init; } = "V100";

    public int Priority { get; init; }

    public long Steps { get; init; } = 30_000;

    public double SecondsPerStep { get; init; } = 0.09;

    /// <summary>The deviation of a stretch's speed, as a share.</summary>
    public double Jitter { get; init; }

    /// <summary>The step from which on every step takes this many times as long.</summary>
    public (long From, double Factor)? Slows { get; init; }

    public TimeSpan WarmUp { get; init; }

    /// <summary>The chance that a stretch holds a pause of a whole stretch.</summary>
    public double Pauses { get; init; }

    public TimeSpan ReportEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether it reports its total with its progress. Otherwise its duration is unknown.</summary>
    public bool ReportsProgress { get; init; } = true;

    public TimeSpan? Declared { get; init; }

    public long CheckpointEvery { get; init; }

    /// <summary>The time to write a requested checkpoint. Null if it cannot answer.</summary>
    public TimeSpan? AnswersIn { get; init; }

    /// <summary>Whether it declares that it can answer, and never does.</summary>
    public bool Ignores { get; init; }

    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(30);

    public bool Exempt { get; init; }

    public string? NotSuspendable { get; init; }

    public override string ToString() => $"{(Class == WorkloadClass.Inference ? "Deployment" : "Job")}/{Name}";
}

/// <summary>The state of one job or deployment in the cluster.</summary>
public sealed class ScenarioWorkload(WorkPlan plan, DateTimeOffset createdAt)
{
    public WorkPlan Plan { get; } = plan;

    public DateTimeOffset CreatedAt { get; } = createdAt;

    public WorkloadKey Key { get; } =
        new("team", plan.Class == WorkloadClass.Inference ? "Deployment" : "Job", plan.Name, "uid-" + plan.Name);

    /// <summary>The path of the object in the API server.</summary>
    public string Path { get; } =
        plan.Class == WorkloadClass.Inference
            ? $"/apis/apps/v1/namespaces/team/deployments/{plan.Name}"
            : $"/apis/batch/v1/namespaces/team/jobs/{plan.Name}";

    /// <summary>The object as its user creates it, suspended or not.</summary>
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

    /// <summary>Whether the object is suspended by its field.</summary>
    public static bool IsStopped(JsonObject obj) =>
        obj["spec"]!["suspend"] is { } suspend ? (bool)suspend : (int)obj["spec"]!["replicas"]! == 0;

    /// <summary>Whether its pods are stopped, some time after its field is set.</summary>
    public bool Suspended { get; set; }

    public DateTimeOffset SuspendChangedAt { get; set; } = createdAt;

    public bool Ended { get; set; }

    public double Done { get; set; }

    /// <summary>The mirror of the request on the object.</summary>
    public string? Asked { get; set; }

    /// <summary>The request that it answered last, and the checkpoint it wrote for it.</summary>
    public (string Id, CheckpointMark Mark)? Answer { get; set; }

    public int Runs { get; set; }

    public ScenarioPod? Pod { get; set; }

    public DateTimeOffset WaitsSince { get; set; } = createdAt;

    public List<ScenarioPod> Pods { get; } = [];
}

public sealed class ScenarioPod(string uid, ScenarioWorkload work, ScenarioNode node, DateTimeOffset scheduledAt)
{
    public string Uid { get; } = uid;

    public ScenarioWorkload Work { get; } = work;

    public ScenarioNode Node { get; } = node;

    public DateTimeOffset ScheduledAt { get; } = scheduledAt;

    public bool Terminating { get; set; }

    public DateTimeOffset? FinishedAt { get; set; }
}

public sealed class ScenarioNode(string name, string product, int gpus)
{
    public string Name { get; } = name;

    public string Product { get; } = product;

    public int Gpus { get; } = gpus;

    public int Free { get; set; } = gpus;

    public DateTimeOffset? LostAt { get; set; }
}
