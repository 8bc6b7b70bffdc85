using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>Indexes by which a pass over a thousand scalers finds what it asks for without looking through a namespace.</summary>
internal static class ScaleIndexes
{
    /// <summary>Autoscalers by what they scale.</summary>
    public const string Target = "scale-target";

    /// <summary>Pods by the InferenceService that they serve for.</summary>
    public const string Service = "inference-service";

    /// <summary>Pods by each of the labels that Dynamo gives them.</summary>
    public const string Dynamo = "dynamo-label";

    private const string DynamoPrefix = "nvidia.com/";

    public static void AddTo(ClusterStores stores)
    {
        stores.ScaledObjects.AddIndex(Target, scaler => [TargetKey(scaler.Metadata.Namespace, scaler.Spec.ScaleTargetRef)]);
        stores.HorizontalPodAutoscalers.AddIndex(Target, scaler => [TargetKey(scaler.Metadata.Namespace, scaler.Spec.ScaleTargetRef)]);
        stores.Pods.AddIndex(Service, pod =>
            pod.Metadata.Labels.TryGetValue(InferenceServiceKind.ServiceLabel, out var name) ? [Key(pod.Metadata.Namespace, name)] : []
        );
        stores.Pods.AddIndex(Dynamo, pod =>
            pod.Metadata.Labels.Where(label => IsDynamo(label.Key))
                .Select(label => LabelKey(pod.Metadata.Namespace, label.Key, label.Value))
        );
    }

    public static bool IsDynamo(string label) => label.StartsWith(DynamoPrefix, StringComparison.Ordinal);

    public static string Key(string? ns, string name) => $"{ns}/{name}";

    public static string LabelKey(string? ns, string label, string value) => $"{ns}/{label}={value}";

    public static string TargetKey(string? ns, string kind, string name) => $"{ns}/{kind}/{name}";

    /// <summary>One that names no kind means a Deployment, as KEDA takes it.</summary>
    private static string TargetKey(string? ns, V1CrossVersionObjectReference target) =>
        TargetKey(ns, target.Kind ?? "Deployment", target.Name);
}
