namespace Bursar.Kube.Objects;

/// <summary>The shared empty parts, which stand for "not said" and are not written.</summary>
internal static class Empties
{
    private static readonly HashSet<object> _all = new(ReferenceEqualityComparer.Instance)
    {
        V1ObjectMeta.Empty,
        V1PodSpec.Empty,
        V1PodStatus.Empty,
        V1Condition.Empty,
        V1CronJobSpec.Empty,
        V1JobTemplateSpec.Empty,
        V1CustomResourceDefinitionSpec.Empty,
        V1CustomResourceDefinitionNames.Empty,
        V1CustomResourceDefinitionVersion.Empty,
        V1CustomResourceDefinitionStatus.Empty,
        V1DaemonSetSpec.Empty,
        V1DaemonSetStatus.Empty,
        V1DeploymentSpec.Empty,
        V1DeploymentStatus.Empty,
        V1EventSeries.Empty,
        V1HorizontalPodAutoscalerSpec.Empty,
        V1CrossVersionObjectReference.Empty,
        V1JobSpec.Empty,
        V1JobStatus.Empty,
        V1LabelSelector.Empty,
        V1LabelSelectorRequirement.Empty,
        V1LeaseSpec.Empty,
        V1NamespaceStatus.Empty,
        V1NodeSpec.Empty,
        V1Taint.Empty,
        V1NodeStatus.Empty,
        V1NodeCondition.Empty,
        V1NodeAddress.Empty,
        V1ObjectReference.Empty,
        V1PodTemplateSpec.Empty,
        V1ReplicaSetSpec.Empty,
        V1ReplicaSetStatus.Empty,
        V1ScaleSpec.Empty,
        V1ScaleStatus.Empty,
        V1ScaledObjectSpec.Empty,
        V1StatefulSetSpec.Empty,
        V1StatefulSetStatus.Empty,
        V1Status.Empty,
        V1StatusDetails.Empty,
        V1StatusCause.Empty,
        V1WorkloadSpec.Empty,
    };

    public static bool Contains(object value) => _all.Contains(value);
}
