using Bursar.Core.Ledger;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Kubeflow's Notebook (kubeflow.org/v1), stopped by the annotation kubeflow-resource-stopped. Its controller scales the StatefulSet of the
/// Notebook to zero while the annotation exists, whatever its value, and to one without it (kubeflow/kubeflow,
/// components/notebook-controller/controllers/notebook_controller.go and culling_controller.go). The value is the time of the stop. The
/// controller ignores how the pod ends. The volumes of a Notebook are claims of others, which stay.
/// </summary>
internal sealed class NotebookKind()
    : WorkloadKind<V1Notebook>(WorkloadClass.Interactive, PatchOperation.Pointer("metadata", "annotations", StopAnnotation))
{
    public const string StopAnnotation = "kubeflow-resource-stopped";

    private const string NameLabel = "notebook-name";

    public override bool Serves => true;

    /// <summary>Stands for every value of the annotation (<see cref="StopValue"/>).</summary>
    public override string Stopped => "\"stopped\"";

    public override string PodLabel => NameLabel;

    public override WorkloadObject Read(V1Notebook notebook) =>
        new()
        {
            Kind = this,
            Metadata = notebook.Metadata,
            Field = notebook.Metadata.Annotations.ContainsKey(StopAnnotation) ? Stopped : WorkloadObject.Absent,
            PodSets = [new(1, notebook.Spec.Template)],
            OwnLabels = LabelsOf(notebook.Metadata),
        };

    /// <summary>Returns the time of the stop, or the present value if another budget or a user has stopped the Notebook.</summary>
    public override string StopValue(WorkloadObject? work, DateTimeOffset at) =>
        System
            .Text.Json.Nodes.JsonValue.Create(work?.Metadata.Annotations.GetValueOrDefault(StopAnnotation) ?? Rfc3339.Format(at))
            .ToJsonString();

    /// <summary>Returns the labels that the controller gives to the pod: its own, and those of the Notebook.</summary>
    private static Dictionary<string, string> LabelsOf(V1ObjectMeta notebook)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal) { ["statefulset"] = notebook.Name, [NameLabel] = notebook.Name };
        foreach (var (key, value) in notebook.Labels)
            all[key] = value;
        return all;
    }
}
