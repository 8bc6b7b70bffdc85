using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>Indexes with which a pass over many scalers avoids scanning whole namespaces.</summary>
internal static class ScaleIndexes
{
    /// <summary>Autoscalers by their target.</summary>
    public const string Target = "scale-target";

    /// <summary>Pods by their InferenceService.</summary>
    public const string Service = "inference-service";

    /// <summary>Pods by each of Dynamo's labels.</summary>
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

    /// <summary>A target without a kind is a Deployment, as in KEDA.</summary>
    private static string TargetKey(string? ns, V1CrossVersionObjectReference target) =>
        TargetKey(ns, target.Kind ?? "Deployment", target.Name);
}
