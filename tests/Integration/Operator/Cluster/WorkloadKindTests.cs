using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using Bursar.Operator.Suspension;
using Bursar.Tests.Integration.Kubernetes;

namespace Bursar.Tests.Integration.Operator.Cluster;

public sealed class WorkloadKindTests
{
    private const string Pods =
        """{"metadata": {"labels": {"team": "vision"}}, "spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "4"}}}]}}""";
    private const string Launcher =
        """{"metadata": {"labels": {"team": "other", "role": "launcher"}}, "spec": {"containers": [{"name": "main"}]}}""";

    public static TheoryData<string, string, string, int, bool> Objects =>
        new()
        {
            {
                "Job",
                $$$$$$$$"""{"spec": {"suspend": false, "parallelism": 3, "completions": 3, "template": {{{{{{{{Pods}}}}}}}}}, "status": {"succeeded": 2}}""",
                "false",
                4,
                false
            },
            {
                "Job",
                $$$$$$$$"""{"spec": {"suspend": true, "template": {{{{{{{{Pods}}}}}}}}}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}""",
                "true",
                4,
                true
            },
            {
                "Job",
                $$$$$$$$"""{"spec": {"parallelism": 10, "completions": 100, "completionMode": "Indexed", "backoffLimitPerIndex": 1, "template": {{{{{{{{Pods}}}}}}}}}, "status": {"succeeded": 45, "failedIndexes": "45-93"}}""",
                "null",
                24,
                false
            },
            {
                "Job",
                $$$$$$$$"""{"spec": {"parallelism": 5, "template": {{{{{{{{Pods}}}}}}}}}, "status": {"succeeded": 1, "active": 2}}""",
                "null",
                8,
                false
            },
            { "Job", $$$$$$$$"""{"spec": {"parallelism": 8, "completions": 2, "template": {{{{{{{{Pods}}}}}}}}}}""", "null", 8, false },
            {
                "Job",
                $$$$$$$$"""{"spec": {"parallelism": 5, "template": {{{{{{{{Pods}}}}}}}}}, "status": {"active": 5}}""",
                "null",
                20,
                false
            },
            {
                "LeaderWorkerSet",
                $$$$$$$$"""{"spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 5, "subGroupPolicy": {"type": "LeaderExcluded", "subGroupSize": 2}, "workerTemplate": {{{{{{{{Pods}}}}}}}}}}}""",
                "2",
                40,
                false
            },
            {
                "PyTorchJob",
                $$$$$$$$"""{"spec": {"elasticPolicy": {"minReplicas": 1, "maxReplicas": 5, "metrics": [{"type": "Resource"}]}, "pytorchReplicaSpecs": {"Master": {"template": {{{{{{{{Pods}}}}}}}}}, "Worker": {"template": {{{{{{{{Pods}}}}}}}}}}}}""",
                "null",
                24,
                false
            },
            {
                "MPIJob",
                $$$$$$$$"""{"spec": {"runLauncherAsWorker": true, "mpiReplicaSpecs": {"Launcher": {"template": {{{{{{{{Pods}}}}}}}}}, "Worker": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}}}""",
                "null",
                12,
                false
            },
            { "MPIJob", $$$$$$$$"""{"spec": {"mpiReplicaSpecs": {"Launcher": {"template": {{{{{{{{Pods}}}}}}}}}}}}""", "null", 4, false },
            {
                "RayJob",
                $$$$$$$$"""{"spec": {"rayClusterSpec": {"enableInTreeAutoscaling": true, "headGroupSpec": {"template": {{{{{{{{Pods}}}}}}}}}, "workerGroupSpecs": [{"replicas": 1, "maxReplicas": 2, "numOfHosts": 4, "template": {{{{{{{{Pods}}}}}}}}}, {"replicas": 9, "maxReplicas": 9, "suspend": true, "template": {{{{{{{{Pods}}}}}}}}}, {"minReplicas": 1, "template": {{{{{{{{Pods}}}}}}}}}]}}}""",
                "null",
                40,
                false
            },
            { "Deployment", $$$$$$$$"""{"spec": {"replicas": 3, "template": {{{{{{{{Pods}}}}}}}}}}""", "3", 12, false },
            { "StatefulSet", $$$$$$$$"""{"spec": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}""", "2", 8, false },
            {
                "LeaderWorkerSet",
                $$$$$$$$"""{"spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 3, "leaderTemplate": {{{{{{{{Launcher}}}}}}}}, "workerTemplate": {{{{{{{{Pods}}}}}}}}}}}""",
                "2",
                16,
                false
            },
            {
                "LeaderWorkerSet",
                $$$$$$$$"""{"spec": {"leaderWorkerTemplate": {"size": 3, "workerTemplate": {{{{{{{{Pods}}}}}}}}}}}""",
                "1",
                12,
                false
            },
            {
                "InferenceService",
                """{"metadata": {"name": "llama"}, "spec": {"predictor": {"minReplicas": 2, "model": {"resources": {"limits": {"nvidia.com/gpu": "4"}}}}}}""",
                "null",
                8,
                false
            },
            {
                "Notebook",
                $$$$$$$$"""{"metadata": {"name": "nb", "labels": {"team": "vision"}}, "spec": {"template": {{{{{{{{Pods}}}}}}}}}}""",
                "null",
                4,
                false
            },
            {
                "Notebook",
                $$$$$$$$"""{"metadata": {"name": "nb", "labels": {"team": "vision"}, "annotations": {"kubeflow-resource-stopped": "2026-11-10T12:00:00Z"}}, "spec": {"template": {{{{{{{{Pods}}}}}}}}}}""",
                "\"stopped\"",
                4,
                false
            },
            {
                "InferenceService",
                """{"metadata": {"name": "llama", "annotations": {"serving.kserve.io/stop": "true"}}, "spec": {"predictor": {"containers": [{"name": "kserve-container", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}""",
                "\"true\"",
                1,
                false
            },
            {
                "JobSet",
                $$$$$$$$"""{"spec": {"replicatedJobs": [{"name": "l", "template": {"spec": {"template": {{{{{{{{Launcher}}}}}}}}}}}, {"name": "w", "replicas": 2, "template": {"spec": {"parallelism": 3, "completions": 3, "template": {{{{{{{{Pods}}}}}}}}}}}]}}""",
                "null",
                24,
                false
            },
            {
                "JobSet",
                $$$$$$$$"""{"spec": {"suspend": false, "replicatedJobs": [{"name": "w", "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}]}, "status": {"terminalState": "Completed"}}""",
                "false",
                4,
                true
            },
            {
                "JobSet",
                $$$$$$$$"""{"spec": {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}, {"name": "b", "replicas": 3, "dependsOn": [{"name": "a", "status": "Complete"}], "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}]}}""",
                "null",
                12,
                false
            },
            {
                "JobSet",
                $$$$$$$$"""{"spec": {"replicatedJobs": [{"name": "a", "replicas": 4, "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}, {"name": "b", "dependsOn": [{"name": "a", "status": "Complete"}], "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}, {"name": "c", "dependsOn": [{"name": "b", "status": "Ready"}], "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}, {"name": "d", "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}]}}""",
                "null",
                20,
                false
            },
            {
                "JobSet",
                $$$$$$$$"""{"spec": {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}, {"name": "b", "dependsOn": [{"name": "a", "status": "Ready"}], "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}]}}""",
                "null",
                8,
                false
            },
            {
                "JobSet",
                $$$$$$$$"""{"spec": {"startupPolicy": {"startupPolicyOrder": "InOrder"}, "replicatedJobs": [{"name": "a", "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}, {"name": "b", "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}]}}""",
                "null",
                8,
                false
            },
            {
                "PyTorchJob",
                $$$$$$$$"""{"spec": {"elasticPolicy": {"minReplicas": 1, "maxReplicas": 5, "metrics": [{"type": "Resource"}]}, "pytorchReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}}}""",
                "null",
                20,
                false
            },
            {
                "PyTorchJob",
                $$$$$$$$"""{"spec": {"elasticPolicy": {"minReplicas": 1, "maxReplicas": 5}, "pytorchReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}}}""",
                "null",
                8,
                false
            },
            {
                "RayJob",
                $$$$$$$$"""{"spec": {"rayClusterSpec": {"enableInTreeAutoscaling": true, "workerGroupSpecs": [{"replicas": 1, "maxReplicas": 8, "template": {{{{{{{{Pods}}}}}}}}}]}}}""",
                "null",
                32,
                false
            },
            {
                "RayJob",
                $$$$$$$$"""{"spec": {"rayClusterSpec": {"workerGroupSpecs": [{"replicas": 1, "maxReplicas": 8, "template": {{{{{{{{Pods}}}}}}}}}]}}}""",
                "null",
                4,
                false
            },
            {
                "RayJob",
                $$$$$$$$"""{"spec": {"rayClusterSpec": {"enableInTreeAutoscaling": true, "workerGroupSpecs": [{"replicas": 1, "maxReplicas": 2147483647, "template": {{{{{{{{Pods}}}}}}}}}]}}}""",
                "null",
                4,
                false
            },
            {
                "RayJob",
                $$$$$$$$"""{"spec": {"rayClusterSpec": {"workerGroupSpecs": [{"replicas": 1, "minReplicas": 4, "maxReplicas": 8, "template": {{{{{{{{Pods}}}}}}}}}]}}}""",
                "null",
                16,
                false
            },
            {
                "RayJob",
                $$$$$$$$"""{"spec": {"rayClusterSpec": {"workerGroupSpecs": [{"replicas": 10, "maxReplicas": 2, "template": {{{{{{{{Pods}}}}}}}}}]}}}""",
                "null",
                8,
                false
            },
            {
                "TrainJob",
                """{"spec": {"suspend": true, "trainer": {"numNodes": 4, "resourcesPerNode": {"limits": {"nvidia.com/gpu": "8"}}}}}""",
                "true",
                32,
                false
            },
            {
                "TrainJob",
                """{"spec": {"runtimeRef": {"name": "torch"}}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}""",
                "null",
                0,
                true
            },
            {
                "PyTorchJob",
                $$$$$$$$"""{"spec": {"pytorchReplicaSpecs": {"Worker": {"replicas": 3, "template": {{{{{{{{Pods}}}}}}}}}, "Master": {"template": {{{{{{{{Pods}}}}}}}}}}}}""",
                "null",
                16,
                false
            },
            {
                "TFJob",
                $$$$$$$$"""{"spec": {"runPolicy": {"suspend": true}, "tfReplicaSpecs": {"PS": {"replicas": 2, "template": {{{{{{{{Launcher}}}}}}}}}, "Worker": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}}}""",
                "true",
                8,
                false
            },
            {
                "XGBoostJob",
                $$$$$$$$"""{"spec": {"runPolicy": {"suspend": false}, "xgbReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}}, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}""",
                "false",
                8,
                true
            },
            {
                "PaddleJob",
                $$$$$$$$"""{"spec": {"runPolicy": {}, "paddleReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}}}""",
                "null",
                8,
                false
            },
            {
                "JAXJob",
                $$$$$$$$"""{"spec": {"runPolicy": {"suspend": false}, "jaxReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}}, "status": {"conditions": [{"type": "Running", "status": "True"}]}}""",
                "false",
                8,
                false
            },
            {
                "MPIJob",
                $$$$$$$$"""{"spec": {"runPolicy": {"suspend": false}, "mpiReplicaSpecs": {"Launcher": {"replicas": 1, "template": {{{{{{{{Launcher}}}}}}}}}, "Worker": {"replicas": 2, "template": {{{{{{{{Pods}}}}}}}}}}}, "status": {"conditions": [{"type": "Succeeded", "status": "True"}]}}""",
                "false",
                8,
                true
            },
            {
                "RayJob",
                $$$$$$$$"""{"spec": {"shutdownAfterJobFinishes": true, "rayClusterSpec": {"headGroupSpec": {"template": {{{{{{{{Launcher}}}}}}}}}, "workerGroupSpecs": [{"replicas": 2, "numOfHosts": 2, "template": {{{{{{{{Pods}}}}}}}}}, {"replicas": 1, "suspend": true, "template": {{{{{{{{Pods}}}}}}}}}]}}, "status": {"jobDeploymentStatus": "Running"}}""",
                "null",
                16,
                false
            },
            {
                "RayJob",
                $$$$$$$$"""{"spec": {"suspend": true, "rayClusterSpec": {"workerGroupSpecs": [{"minReplicas": 1, "template": {{{{{{{{Pods}}}}}}}}}]}}, "status": {"jobDeploymentStatus": "Failed"}}""",
                "true",
                4,
                true
            },
        };

    [Theory]
    [MemberData(nameof(Objects))]
    public void Object_of_each_kind_reads_as_one_workload_shape(string kind, string json, string switched, int gpus, bool finished)
    {
        var work = Read(kind, json);
        work.Field.Should().Be(switched);
        work.Gpus.Should().Be(gpus);
        work.HasGpus.Should().Be(gpus > 0);
        work.IsFinished.Should().Be(finished);
        work.IsStopped.Should().Be(switched.Trim('"') is "true" or "stopped");
    }

    /// <summary>While it is stopped, its Deployments are gone and only the predictor declares what will be restored.</summary>
    [Fact]
    public void Predictor_names_its_resource_claims()
    {
        var work = Read(
            "InferenceService",
            """{"spec": {"predictor": {"model": {}, "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "h100"}, {"name": "shared", "resourceClaimName": "one"}]}}}"""
        );

        work.Template.Spec.ResourceClaims.Should()
            .Equal(
                new V1PodResourceClaim { Name = "gpu", TemplateName = "h100" },
                new V1PodResourceClaim { Name = "shared", ClaimName = "one" }
            );
    }

    [Fact]
    public void Job_without_parallelism_needs_no_GPU()
    {
        var work = Read("Job", $$$$$$$$"""{"spec": {"parallelism": 0, "completions": 5, "template": {{{{{{{{Pods}}}}}}}}}}""");

        work.Gpus.Should().Be(0);
        work.HasGpus.Should().BeTrue("it is GPU work, should anybody raise the number");
    }

    [Theory]
    [InlineData(
        "Job",
        """{"status": {"conditions": [{"type": "Complete", "status": "True"}], "completionTime": "2026-11-02T09:00:00Z"}}""",
        true
    )]
    [InlineData(
        "Job",
        """{"status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        false
    )]
    [InlineData(
        "JobSet",
        """{"status": {"terminalState": "Completed", "conditions": [{"type": "Completed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        true
    )]
    [InlineData(
        "JobSet",
        """{"status": {"terminalState": "Failed", "conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        false
    )]
    [InlineData(
        "TrainJob",
        """{"status": {"conditions": [{"type": "Suspended", "status": "False", "lastTransitionTime": "2026-11-02T08:00:00Z"}, {"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        true
    )]
    [InlineData(
        "PyTorchJob",
        """{"status": {"conditions": [{"type": "Running", "status": "False"}, {"type": "Succeeded", "status": "True", "lastTransitionTime": "2026-11-02T09:00:05Z"}], "completionTime": "2026-11-02T09:00:00Z"}}""",
        true
    )]
    [InlineData(
        "MPIJob",
        """{"status": {"conditions": [{"type": "Succeeded", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        true
    )]
    [InlineData(
        "XGBoostJob",
        """{"status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}], "completionTime": "2026-11-02T09:00:00Z"}}""",
        false
    )]
    [InlineData(
        "RayJob",
        """{"status": {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED", "endTime": "2026-11-02T09:00:00Z"}}""",
        true
    )]
    [InlineData(
        "RayJob",
        """{"status": {"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED", "endTime": "2026-11-02T09:00:00Z"}}""",
        false
    )]
    public void Completion_time_is_known_only_for_succeeded_workloads(string kind, string json, bool succeeded) =>
        Read(kind, json).SucceededAt.Should().Be(succeeded ? new DateTimeOffset(2026, 11, 2, 9, 0, 0, TimeSpan.Zero) : null);

    [Theory]
    [InlineData(
        "Job",
        """{"status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-02T09:30:00Z"}], "completionTime": "2026-11-02T09:00:00Z"}}""",
        "09:00",
        null
    )]
    [InlineData(
        "Job",
        """{"status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        "09:00",
        null
    )]
    [InlineData(
        "Job",
        """{"status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        "09:00",
        null
    )]
    [InlineData(
        "Job",
        """{"status": {"conditions": [{"type": "Failed", "status": "False", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        null,
        null
    )]
    [InlineData(
        "Job",
        """{"status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": null}], "completionTime": ""}}""",
        null,
        null
    )]
    [InlineData(
        "Job",
        """{"status": {"conditions": [{"type": "Suspended", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        null,
        "09:00"
    )]
    [InlineData(
        "JobSet",
        """{"status": {"conditions": [{"type": "Completed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        "09:00",
        null
    )]
    [InlineData(
        "JobSet",
        """{"status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        "09:00",
        null
    )]
    [InlineData(
        "JobSet",
        """{"status": {"conditions": [{"type": "Suspended", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        null,
        "09:00"
    )]
    [InlineData(
        "TrainJob",
        """{"status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        "09:00",
        null
    )]
    [InlineData(
        "TrainJob",
        """{"status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        "09:00",
        null
    )]
    [InlineData(
        "TrainJob",
        """{"status": {"conditions": [{"type": "Suspended", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        null,
        "09:00"
    )]
    [InlineData(
        "PyTorchJob",
        """{"status": {"completionTime": "2026-11-02T09:00:00Z", "conditions": [{"type": "Succeeded", "status": "True", "lastTransitionTime": "2026-11-02T09:30:00Z"}]}}""",
        "09:00",
        null
    )]
    [InlineData(
        "TFJob",
        """{"status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        "09:00",
        null
    )]
    [InlineData(
        "MPIJob",
        """{"status": {"conditions": [{"type": "Suspended", "status": "True", "lastTransitionTime": "2026-11-02T09:00:00Z"}]}}""",
        null,
        "09:00"
    )]
    [InlineData(
        "RayJob",
        """{"spec": {"shutdownAfterJobFinishes": true, "ttlSecondsAfterFinished": 60}, "status": {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED", "endTime": "2026-11-02T08:59:00Z"}}""",
        "09:00",
        null
    )]
    [InlineData(
        "RayJob",
        """{"spec": {"shutdownAfterJobFinishes": true}, "status": {"jobDeploymentStatus": "Failed", "endTime": "2026-11-02T09:00:00Z"}}""",
        "09:00",
        null
    )]
    [InlineData("RayJob", """{"status": {"jobDeploymentStatus": "Complete", "endTime": "2026-11-02T09:00:00Z"}}""", null, null)]
    public void End_and_suspension_times_are_read_if_the_status_has_them(string kind, string json, string? ended, string? suspended)
    {
        var work = Read(kind, json);

        work.EndedAt?.ToString("HH:mm", System.Globalization.CultureInfo.InvariantCulture).Should().Be(ended);
        (work.EndedAt is null).Should().Be(ended is null);
        work.SuspendedAt?.ToString("HH:mm", System.Globalization.CultureInfo.InvariantCulture).Should().Be(suspended);
        (work.SuspendedAt is null).Should().Be(suspended is null);
    }

    [Fact]
    public void Trainer_status_of_a_TrainJob_is_read()
    {
        Read(
            "TrainJob",
            """{"status": {"trainerStatus": {"progressPercentage": 42, "estimatedRemainingSeconds": 795, "lastUpdatedTime": "2026-11-02T09:00:00Z", "metrics": [{"name": "loss", "value": "0.2"}]}}}"""
        )
            .Reported.Should()
            .Be(new ReportedProgress(new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero), 42, TimeSpan.FromSeconds(795)));
        Read("TrainJob", """{"status": {"trainerStatus": {"lastUpdatedTime": "2026-11-02T09:00:00Z"}}}""").Reported.Should().BeNull();
        Read("TrainJob", """{"status": {}}""").Reported.Should().BeNull();
    }

    [Fact]
    public void Group_counts_whole_at_the_replicas_that_it_had()
    {
        var set = Read(
            "LeaderWorkerSet",
            $$$$$$$$"""{"spec": {"replicas": 0, "leaderWorkerTemplate": {"size": 3, "leaderTemplate": {{{{{{{{Launcher}}}}}}}}, "workerTemplate": {{{{{{{{Pods}}}}}}}}}}}"""
        );
        set.IsStopped.Should().BeTrue();
        set.Gpus.Should().Be(0);
        set.PodSetsAt(2).Sum(pods => pods.Gpus).Should().Be(16);
        set.PodSetsAt(2).Select(pods => pods.Count).Should().Equal(2, 4);
    }

    [Fact]
    public void Labels_of_a_gang_merge_those_of_its_templates_and_prefer_the_one_with_GPUs()
    {
        var work = Read(
            "MPIJob",
            $$$$$$$$"""{"spec": {"mpiReplicaSpecs": {"Launcher": {"template": {{{{{{{{Launcher}}}}}}}}}, "Worker": {"template": {{{{{{{{Pods}}}}}}}}}}}}"""
        );
        work.Labels.Should().Equal(new Dictionary<string, string> { ["team"] = "vision", ["role"] = "launcher" });
        Read("TrainJob", """{"metadata": {"labels": {"team": "a"}}, "spec": {"labels": {"team": "b", "run": "1"}}}""")
            .Labels.Should()
            .Equal(new Dictionary<string, string> { ["team"] = "a", ["run"] = "1" });
    }

    /// <summary>The status that kube-controller-manager 1.36 writes while the last pods of a Job terminate.</summary>
    [Theory]
    [InlineData("FailureTarget", "True", 0)]
    [InlineData("SuccessCriteriaMet", "True", 0)]
    [InlineData("FailureTarget", "False", 8)]
    public void Job_that_is_ending_gets_no_more_pods(string type, string status, int gpus) =>
        Read(
            "Job",
            $$$$$$$$"""{"spec": {"completions": 4, "parallelism": 2, "template": {{{{{{{{Pods}}}}}}}}}, "status": {"terminating": 2, "conditions": [{"type": "{{{{{{{{type}}}}}}}}", "status": "{{{{{{{{status}}}}}}}}"}]}}"""
        )
            .Gpus.Should()
            .Be(gpus);

    [Theory]
    [InlineData("Job", """{"spec": {"managedBy": "kueue.x-k8s.io/multikueue"}}""", "spec.managedBy")]
    [InlineData("Job", """{"spec": {"managedBy": "kubernetes.io/job-controller"}}""", null)]
    [InlineData(
        "Job",
        """{"spec": {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [143]}}]}}}""",
        "FailJob"
    )]
    [InlineData("Job", """{"spec": {"parallelism": 3}, "status": {"active": 2, "succeeded": 1}}""", "Kubernetes would complete it")]
    [InlineData("Job", """{"spec": {"parallelism": 3}, "status": {"active": 3, "failed": 1}}""", null)]
    [InlineData("Job", """{"spec": {"parallelism": 3, "completions": 9}, "status": {"active": 2, "succeeded": 1}}""", null)]
    [InlineData(
        "JobSet",
        """{"spec": {"replicatedJobs": [{"name": "w", "template": {"spec": {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {}}]}}}}]}}""",
        "podFailurePolicy of its w"
    )]
    [InlineData("JobSet", """{"spec": {"managedBy": "jobset.sigs.k8s.io/jobset-controller"}}""", null)]
    [InlineData("TrainJob", """{"spec": {"managedBy": "kueue.x-k8s.io/multikueue"}}""", "spec.managedBy")]
    [InlineData("PyTorchJob", """{"spec": {"runPolicy": {"managedBy": "kueue.x-k8s.io/multikueue"}}}""", "spec.runPolicy.managedBy")]
    [InlineData("PyTorchJob", """{"spec": {"runPolicy": {"managedBy": "kubeflow.org/training-operator"}}}""", null)]
    [InlineData("MPIJob", """{"spec": {"runPolicy": {"managedBy": "kubeflow.org/mpi-operator"}}}""", null)]
    [InlineData(
        "StatefulSet",
        """{"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}}""",
        "deletes its volumes"
    )]
    [InlineData("StatefulSet", """{"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}}""", null)]
    [InlineData(
        "StatefulSet",
        """{"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"}}}""",
        null
    )]
    [InlineData(
        "LeaderWorkerSet",
        """{"spec": {"leaderWorkerTemplate": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}}}""",
        "deletes its leaders' volumes"
    )]
    [InlineData(
        "LeaderWorkerSet",
        """{"spec": {"leaderWorkerTemplate": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "size": 2, "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}}}""",
        "deletes its workers' volumes"
    )]
    [InlineData(
        "LeaderWorkerSet",
        """{"spec": {"leaderWorkerTemplate": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "size": 1, "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}}}""",
        null
    )]
    [InlineData(
        "LeaderWorkerSet",
        """{"spec": {"leaderWorkerTemplate": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "size": 2, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain", "whenDeleted": "Retain"}}}}""",
        null
    )]
    [InlineData(
        "LeaderWorkerSet",
        """{"spec": {"leaderWorkerTemplate": {"size": 2, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Delete"}}}}""",
        null
    )]
    [InlineData("RayJob", """{"spec": {}}""", "shutdownAfterJobFinishes")]
    [InlineData("RayJob", """{"spec": {"shutdownAfterJobFinishes": true}}""", null)]
    [InlineData(
        "RayJob",
        """{"spec": {"shutdownAfterJobFinishes": true, "clusterSelector": {"ray.io/cluster": "x"}}}""",
        "clusterSelector"
    )]
    [InlineData("RayJob", """{"spec": {"shutdownAfterJobFinishes": true}, "status": {"jobDeploymentStatus": "Initializing"}}""", null)]
    [InlineData(
        "RayJob",
        """{"spec": {"shutdownAfterJobFinishes": true}, "status": {"jobDeploymentStatus": "Waiting"}}""",
        "it is Waiting"
    )]
    [InlineData(
        "RayJob",
        """{"spec": {"shutdownAfterJobFinishes": true, "suspend": true}, "status": {"jobDeploymentStatus": "Suspended"}}""",
        null
    )]
    public void Unsupported_suspension_is_reported_before_it_is_attempted(string kind, string json, string? why)
    {
        if (why is null)
            Read(kind, json).WhyNot.Should().BeNull();
        else
            Read(kind, json).WhyNot.Should().Contain(why);
    }

    [Theory]
    [InlineData(
        """[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "shm", "emptyDir": {"medium": "Memory"}}]""",
        false
    )]
    [InlineData("""[{"name": "shm", "emptyDir": {"medium": "Memory"}}, {"name": "cache", "emptyDir": {}}]""", true)]
    [InlineData("""[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]""", true)]
    [InlineData("""[null, 3, {"name": "odd", "emptyDir": null}]""", false)]
    public void Volumes_that_are_lost_with_the_pods_are_reported(string volumes, bool said)
    {
        var work = Read("Job", """{"spec": {"template": {"spec": {"containers": [{"name": "main"}], "volumes": """ + volumes + "}}}}");
        (work.WhatIsLost?.Contains("emptyDir and ephemeral volumes", StringComparison.Ordinal) == true).Should().Be(said);
    }

    [Theory]
    [InlineData(
        "PyTorchJob",
        """{"spec": {"runPolicy": {"suspend": false}}}""",
        """[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/spec/runPolicy/suspend","value":false},{"op":"replace","path":"/spec/runPolicy/suspend","value":true}]"""
    )]
    [InlineData(
        "PyTorchJob",
        """{"spec": {"runPolicy": {}}}""",
        """[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/metadata/generation","value":7},{"op":"add","path":"/spec/runPolicy/suspend","value":true}]"""
    )]
    [InlineData(
        "PyTorchJob",
        """{"spec": {}}""",
        """[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/metadata/generation","value":7},{"op":"add","path":"/spec/runPolicy","value":{}},{"op":"add","path":"/spec/runPolicy/suspend","value":true}]"""
    )]
    [InlineData(
        "JobSet",
        """{"spec": {}}""",
        """[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/metadata/generation","value":7},{"op":"add","path":"/spec/suspend","value":true}]"""
    )]
    [InlineData(
        "RayJob",
        """{"spec": {"suspend": false}}""",
        """[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/spec/suspend","value":false},{"op":"replace","path":"/spec/suspend","value":true}]"""
    )]
    public async Task Suspension_tests_the_value_that_was_read(string kind, string json, string expected) =>
        (await PatchAsync(kind, json, "false", (client, record) => new WorkloadActor(client).SuspendAsync(record, default)))
            .Outcome.Should()
            .Be((WriteResult.Done, expected));

    [Theory]
    [InlineData(
        "JobSet",
        """{"spec": {"suspend": true}}""",
        "null",
        """[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/spec/suspend","value":true},{"op":"remove","path":"/spec/suspend"}]"""
    )]
    [InlineData(
        "JobSet",
        """{"spec": {"suspend": true}}""",
        "false",
        """[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/spec/suspend","value":true},{"op":"replace","path":"/spec/suspend","value":false}]"""
    )]
    [InlineData(
        "TFJob",
        """{"spec": {"runPolicy": {"suspend": true}}}""",
        "null",
        """[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/spec/runPolicy/suspend","value":true},{"op":"remove","path":"/spec/runPolicy/suspend"}]"""
    )]
    public async Task Restore_writes_the_original_value(string kind, string json, string original, string expected) =>
        (await PatchAsync(kind, json, original, RestoreAsync)).Outcome.Should().Be((WriteResult.Done, expected));

    [Fact]
    public async Task Restore_does_not_write_to_a_resumed_or_recreated_object()
    {
        (await PatchAsync("JobSet", """{"spec": {"suspend": false}}""", "null", RestoreAsync))
            .Outcome.Should()
            .Be((WriteResult.AlreadySo, ""));
        (await PatchAsync("JobSet", """{"spec": {}}""", "null", RestoreAsync)).Outcome.Should().Be((WriteResult.AlreadySo, ""));
        (
            await PatchAsync("JobSet", """{"spec": {"suspend": true}}""", "null", (client, record) =>
                RestoreAsync(client, OfObject(record, one => one with { Uid = "another" }))
            )
        )
            .Outcome.Should()
            .Be((WriteResult.Gone, ""));
        (
            await PatchAsync("JobSet", """{"spec": {"suspend": true}}""", "null", (client, record) =>
                RestoreAsync(client, OfObject(record, one => one with { Kind = "Unheard" }))
            )
        )
            .Outcome.Should()
            .Be((WriteResult.Refused, ""));
    }

    [Fact]
    public void Chart_grants_and_names_every_kind_of_the_table()
    {
        string[] names = [.. WorkloadKinds.All.Select(kind => kind.Name), .. ScalableKinds.ScaledOnly];
        var rbac = GenerateCommand.Files().Single(f => f.Path.EndsWith("files/rbac.yaml", StringComparison.Ordinal)).Text;
        var options = rbac[rbac.IndexOf("\noptions:", StringComparison.Ordinal)..];
        options
            .Split('\n')
            .Where(line =>
                line.Length > 2
                && line[2] != ' '
                && line.EndsWith(':')
                && !line.StartsWith("options", StringComparison.Ordinal)
                && line[2] != '-'
            )
            .Select(line => line.Trim(' ', ':'))
            .Should()
            .BeEquivalentTo([.. names, .. Bursar.Operator.Cluster.ManagerAdapters.Names]);
        foreach (var kind in WorkloadKinds.All)
        {
            options.Should().Contain($"    - {kind.Entity.Plural}{(kind.Scales ? "/scale" : "")}\n");
            rbac[..rbac.IndexOf("\nnamespaces:", StringComparison.Ordinal)]
                .Should()
                .Contain($"  - {kind.Entity.Plural}\n", "it is listed and watched");
        }
        foreach (var kind in ScalableKinds.All)
        {
            options.Should().Contain($"    - {kind.Entity.Plural}{(kind.Name == "InferenceService" ? "" : "/scale")}\n");
            rbac[..rbac.IndexOf("\nnamespaces:", StringComparison.Ordinal)]
                .Should()
                .Contain($"  - {kind.Entity.Plural}\n", "it is listed and watched");
        }
        var values = File.ReadAllText(Path.Combine(Root(), "charts/gpu-budget-operator/values.yaml"));
        values.Should().Contain($"  kinds: [{string.Join(", ", names)}]\n");
        var schema = JsonNode.Parse(File.ReadAllText(Path.Combine(Root(), "charts/gpu-budget-operator/values.schema.json")))!;
        schema["properties"]!["operator"]!["properties"]!["kinds"]!["items"]!["enum"]!
            .AsArray()
            .Select(name => (string)name!)
            .Should()
            .Equal(names);
        var docs = File.ReadAllText(Path.Combine(Root(), "docs/reference/kinds.md"));
        foreach (var kind in ScalableKinds.All)
            docs.Should().Contain($"| {kind.Name} |", "docs/reference/kinds.md has a line for each");
        foreach (var kind in WorkloadKinds.All)
            docs.Should().Contain($"| {kind.Name} |", "docs/reference/kinds.md has a line for each");
    }

    [Fact]
    public void Owners_are_matched_by_group_and_kind_in_any_version()
    {
        WorkloadKinds.Find(new V1OwnerReference { ApiVersion = "jobset.x-k8s.io/v1beta1", Kind = "JobSet" })!.Name.Should().Be("JobSet");
        WorkloadKinds
            .Find(new V1OwnerReference { ApiVersion = "batch.volcano.sh/v1alpha1", Kind = "Job" })
            .Should()
            .BeNull("Volcano's Job is another kind");
        WorkloadKinds.Find(new V1OwnerReference { ApiVersion = "batch", Kind = "Job" }).Should().BeNull();
        WorkloadKinds.Find((V1OwnerReference?)null).Should().BeNull();
    }

    private static WorkloadObject Read(string kind, string json) =>
        kind switch
        {
            "Job" => Read<V1Job>(kind, json),
            "Deployment" => Read<V1Deployment>(kind, json),
            "StatefulSet" => Read<V1StatefulSet>(kind, json),
            "LeaderWorkerSet" => Read<V1LeaderWorkerSet>(kind, json),
            "JobSet" => Read<V1Alpha2JobSet>(kind, json),
            "TrainJob" => Read<V1Alpha1TrainJob>(kind, json),
            "PyTorchJob" => Read<V1PyTorchJob>(kind, json),
            "TFJob" => Read<V1TFJob>(kind, json),
            "XGBoostJob" => Read<V1XGBoostJob>(kind, json),
            "PaddleJob" => Read<V1PaddleJob>(kind, json),
            "JAXJob" => Read<V1JAXJob>(kind, json),
            "MPIJob" => Read<V2Beta1MPIJob>(kind, json),
            "InferenceService" => Read<V1Beta1InferenceService>(kind, json),
            "Notebook" => Read<V1Notebook>(kind, json),
            _ => Read<V1RayJob>(kind, json),
        };

    private static WorkloadObject Read<T>(string kind, string json)
        where T : class, IKubernetesEntity<T>
    {
        var work = ((WorkloadKind<T>)WorkloadKinds.Find(kind)!).Read(JsonSerializer.Deserialize(json, T.JsonTypeInfo)!);
        return work with { PodSets = work.Kind.AtOnce(work) };
    }

    /// <summary>The actor's patch to a server that has the object, without the steps on annotations.</summary>
    private static async Task<WriteResult> RestoreAsync(KubeClient client, SuspensionRecord record) =>
        (await new FieldRestorer(client).RestoreAsync(record, default)).Result;

    private static SuspensionRecord OfObject(SuspensionRecord record, Func<ObjectRef, ObjectRef> change) =>
        record with
        {
            Field = record.Field with { Object = change(record.Field.Object) },
        };

    private static async Task<((WriteResult, string) Outcome, int Asked)> PatchAsync(
        string kind,
        string json,
        string original,
        Func<KubeClient, SuspensionRecord, Task<WriteResult>> act
    )
    {
        var entity = WorkloadKinds.Find(kind)!.Entity;
        var obj = JsonNode.Parse(json)!.AsObject();
        obj["apiVersion"] = entity.ApiVersion;
        obj["kind"] = kind;
        obj["metadata"] = new JsonObject
        {
            ["name"] = "x",
            ["namespace"] = "a",
            ["uid"] = "u",
            ["generation"] = 7,
            ["annotations"] = new JsonObject { ["kept"] = "so" },
        };
        await using var server = await ScriptedServer.StartAsync((_, context) => context.JsonAsync(obj.ToJsonString()));
        using var client = server.Client();
        var outcome = await act(
            client,
            new()
            {
                Workload = new("a", kind, "x", "u"),
                ApiVersion = entity.ApiVersion,
                Field = new(new(entity.ApiVersion, kind, "x", "u"), WorkloadKinds.Find(kind)!.Field, original, "true"),
                Since = DateTimeOffset.UnixEpoch,
                Reason = "BudgetExhausted",
                Cause = new() { Since = DateTimeOffset.UnixEpoch, Reason = "BudgetExhausted" },
                Budget = "b",
                BudgetUid = "bu",
            }
        );
        var patch = server.Requests.SingleOrDefault(request => request.Method == "PATCH");
        if (patch is null)
            return ((outcome, ""), server.Requests.Count);
        var steps = JsonNode
            .Parse(patch.Body)!
            .AsArray()
            .Where(step => !((string)step!["path"]!).Contains("annotations", StringComparison.Ordinal))
            .Select(step => step!.DeepClone());
        return ((outcome, new JsonArray([.. steps]).ToJsonString()), server.Requests.Count);
    }

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Operator.sln")))
                return folder.FullName;
        throw new InvalidOperationException("not run from within the repository");
    }
}
