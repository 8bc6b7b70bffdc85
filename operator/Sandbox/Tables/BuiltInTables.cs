namespace Bursar.Sandbox.Tables;

/// <summary>The table layouts of built-in kinds; other kinds have the columns name and age.</summary>
internal static class BuiltInTables
{
    public static TableLayout? Find(string group, string kind) =>
        (group, kind) switch
        {
            ("", "Namespace") => CoreTables.Namespace,
            ("", "Node") => CoreTables.Node,
            ("", "Pod") => PodTable.Layout,
            ("", "Service") => CoreTables.Service,
            ("", "ConfigMap") => CoreTables.ConfigMap,
            ("", "Secret") => CoreTables.Secret,
            ("", "ServiceAccount") => CoreTables.ServiceAccount,
            ("" or "events.k8s.io", "Event") => CoreTables.Event,
            ("discovery.k8s.io", "EndpointSlice") => CoreTables.EndpointSlice,
            ("coordination.k8s.io", "Lease") => CoreTables.Lease,
            ("scheduling.k8s.io", "PriorityClass") => CoreTables.PriorityClass,
            ("apps", "Deployment") => WorkloadTables.Deployment,
            ("apps", "ReplicaSet") => WorkloadTables.ReplicaSet,
            ("apps", "StatefulSet") => WorkloadTables.StatefulSet,
            ("apps", "DaemonSet") => WorkloadTables.DaemonSet,
            ("apps", "ControllerRevision") => WorkloadTables.ControllerRevision,
            ("batch", "Job") => WorkloadTables.Job,
            ("batch", "CronJob") => WorkloadTables.CronJob,
            ("autoscaling", "HorizontalPodAutoscaler") => WorkloadTables.HorizontalPodAutoscaler,
            ("rbac.authorization.k8s.io", "Role" or "ClusterRole") => PolicyTables.CreatedAt,
            ("rbac.authorization.k8s.io", "RoleBinding" or "ClusterRoleBinding") => PolicyTables.Binding,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => PolicyTables.CreatedAt,
            ("networking.k8s.io", "NetworkPolicy") => PolicyTables.NetworkPolicy,
            ("policy", "PodDisruptionBudget") => PolicyTables.PodDisruptionBudget,
            ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" or "MutatingWebhookConfiguration") =>
                PolicyTables.WebhookConfiguration,
            ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => PolicyTables.ValidatingAdmissionPolicy,
            ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => PolicyTables.ValidatingAdmissionPolicyBinding,
            _ => null,
        };
}
