using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>Behavior of single built-in kinds: defaults, immutable fields, conversions, subresources.</summary>
public sealed class KindCases(EveryApiServer servers) : ApiCase(servers)
{
    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Job_gets_its_defaults_and_selector(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var job = (await api.PostAsync(Jobs(ns), Job("x"))).Body!;
        var spec = job["spec"]!;
        ((long?)spec["parallelism"]).Should().Be(1);
        ((long?)spec["completions"]).Should().Be(1);
        ((long?)spec["backoffLimit"]).Should().Be(6);
        ((bool?)spec["suspend"]).Should().BeFalse();
        ((string?)spec["completionMode"]).Should().Be("NonIndexed");
        ((string?)spec["podReplacementPolicy"]).Should().Be("TerminatingOrFailed");
        var uid = (string)job["metadata"]!["uid"]!;
        spec["selector"]!.ToJsonString().Should().Be($$$"""{"matchLabels":{"batch.kubernetes.io/controller-uid":"{{{uid}}}"}}""");
        ((string?)spec["template"]!["metadata"]!["labels"]!["batch.kubernetes.io/job-name"]).Should().Be("x");
        ((string?)spec["template"]!["metadata"]!["labels"]!["controller-uid"]).Should().Be(uid);
        ((long?)spec["template"]!["spec"]!["terminationGracePeriodSeconds"]).Should().Be(30);
        ((string?)spec["template"]!["spec"]!["containers"]![0]!["imagePullPolicy"]).Should().Be("IfNotPresent");
        spec["template"]!["spec"]!["containers"]![0]!["resources"]!["requests"].Should().BeNull("templates keep what was written");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Jobs_template_is_immutable_but_suspend_is_not(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("x"));
        var reply = await api.PatchAsync(
            $"{Jobs(ns)}/x",
            """{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"other:1"}]}}}}""",
            "strategic"
        );
        reply.Code.Should().Be(422);
        reply.Message.Should().StartWith("Job.batch \"x\" is invalid: spec.template: Invalid value:").And.Contain("field is immutable");
        (await api.PatchAsync($"{Jobs(ns)}/x", """{"spec":{"completions":5}}""")).Code.Should().Be(422);
        (await api.PatchAsync($"{Jobs(ns)}/x", """{"spec":{"parallelism":0,"suspend":true}}""")).Code.Should().Be(200);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Device_claims_are_requested_once_and_allocated_in_their_status(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        const string requests =
            """{"devices":{"requests":[{"name":"gpu","exactly":{"deviceClassName":"gpu.nvidia.com"}},{"name":"all","firstAvailable":[{"name":"a","deviceClassName":"c","allocationMode":"All"}]}]}}""";
        var claims = $"/apis/resource.k8s.io/v1/namespaces/{ns}/resourceclaims";
        const string status =
            """{"allocation":{"devices":{"results":[{"request":"gpu","driver":"gpu.nvidia.com","pool":"n1","device":"gpu-0"}]}},"reservedFor":[{"resource":"pods","name":"p","uid":"u"}]}""";
        var made = await api.PostAsync(
            claims,
            """{"apiVersion":"resource.k8s.io/v1","kind":"ResourceClaim","metadata":{"name":"x"},"spec":REQUESTS,"status":STATUS}"""
                .Replace("REQUESTS", requests)
                .Replace("STATUS", status)
        );
        made.Code.Should().Be(201, "{0}", made.Message);
        made.Body!["spec"]!["devices"]!["requests"]![0]!["exactly"]!
            .ToJsonString()
            .Should()
            .Be("""{"deviceClassName":"gpu.nvidia.com","allocationMode":"ExactCount","count":1}""");
        made.Body["spec"]!["devices"]!["requests"]![1]!["firstAvailable"]![0]!["count"].Should().BeNull();
        made.Body["status"]?["allocation"].Should().BeNull("the status is written by its subresource");
        var changed = await api.PatchAsync($"{claims}/x", """{"spec":{"devices":{"requests":[]}}}""");
        (changed.Code, changed.Message!.Contains("field is immutable", StringComparison.Ordinal)).Should().Be((422, true));
        var allocated = await api.PatchAsync($"{claims}/x/status", "{\"status\":" + status + "}");
        allocated.Code.Should().Be(200, "{0}", allocated.Message);
        ((string?)allocated.Body!["status"]!["allocation"]!["devices"]!["results"]![0]!["device"]).Should().Be("gpu-0");

        var template = await api.PostAsync(
            $"/apis/resource.k8s.io/v1/namespaces/{ns}/resourceclaimtemplates",
            """{"apiVersion":"resource.k8s.io/v1","kind":"ResourceClaimTemplate","metadata":{"name":"t"},"spec":{"spec":REQUESTS}}""".Replace(
                "REQUESTS",
                requests
            )
        );
        ((long?)template.Body!["spec"]!["spec"]!["devices"]!["requests"]![0]!["exactly"]!["count"]).Should().Be(1);
        (
            await api.PostAsync(
                claims,
                """{"apiVersion":"resource.k8s.io/v1","kind":"ResourceClaim","metadata":{"name":"y"},"spec":{"devices":{"requests":[{"name":"gpu","exactly":{}}]}}}"""
            )
        )
            .Code.Should()
            .Be(422);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Devices_are_published_in_slices_and_classes(string server)
    {
        var api = await On(server);
        var name = await api.NamespaceAsync();
        var slice = await api.PostAsync(
            "/apis/resource.k8s.io/v1/resourceslices",
            """
            {"apiVersion":"resource.k8s.io/v1","kind":"ResourceSlice","metadata":{"name":"NAME"},"spec":{"driver":"gpu.nvidia.com","nodeName":"NAME","pool":{"name":"NAME","generation":1,"resourceSliceCount":1},
            "devices":[{"name":"gpu-0","attributes":{"type":{"string":"gpu"},"productName":{"string":"NVIDIA H100 80GB HBM3"}},"capacity":{"memory":{"value":"80Gi"}}}]}}
            """.Replace("NAME", name)
        );
        slice.Code.Should().Be(201, "{0}", slice.Message);
        ((string?)slice.Body!["spec"]!["devices"]![0]!["capacity"]!["memory"]!["value"]).Should().Be("80Gi");
        var kind = await api.PostAsync(
            "/apis/resource.k8s.io/v1/deviceclasses",
            """
            {"apiVersion":"resource.k8s.io/v1","kind":"DeviceClass","metadata":{"name":"NAME"},"spec":{"selectors":[{"cel":{"expression":"device.driver == 'gpu.nvidia.com'"}}],"extendedResourceName":"example.com/NAME"}}
            """.Replace("NAME", name)
        );
        kind.Code.Should().Be(201, "{0}", kind.Message);
        ((string?)kind.Body!["spec"]!["selectors"]![0]!["cel"]!["expression"]).Should().Be("device.driver == 'gpu.nvidia.com'");
        await api.DeleteAsync($"/apis/resource.k8s.io/v1/resourceslices/{name}");
        await api.DeleteAsync($"/apis/resource.k8s.io/v1/deviceclasses/{name}");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Job_must_not_restart_always(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(Jobs(ns), Job("x").Replace("\"restartPolicy\":\"Never\",", ""));
        reply.Code.Should().Be(422);
        reply.Message.Should().Contain("spec.template.spec.restartPolicy").And.Contain("\"OnFailure\", \"Never\"");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Deployment_gets_its_defaults(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var spec = (await api.PostAsync(Deployments(ns), Deployment("web", replicas: null))).Body!["spec"]!;
        ((long?)spec["replicas"]).Should().Be(1);
        spec["strategy"]!
            .ToJsonString()
            .Should()
            .Be("""{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}}""");
        ((long?)spec["revisionHistoryLimit"]).Should().Be(10);
        ((long?)spec["progressDeadlineSeconds"]).Should().Be(600);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Deployments_selector_fits_and_stays(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var wrong = await api.PostAsync(
            Deployments(ns),
            Deployment("web").Replace("\"matchLabels\":{\"app\":\"web\"}", "\"matchLabels\":{\"app\":\"other\"}")
        );
        wrong.Code.Should().Be(422);
        wrong
            .Message.Should()
            .Be(
                "Deployment.apps \"web\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`"
            );
        await api.PostAsync(Deployments(ns), Deployment("web"));
        var changed = await api.PatchAsync(
            $"{Deployments(ns)}/web",
            """{"spec":{"selector":{"matchLabels":{"app":"x"}},"template":{"metadata":{"labels":{"app":"x"}}}}}"""
        );
        changed.Code.Should().Be(422);
        changed.Message.Should().Contain("spec.selector: Invalid value:").And.Contain("field is immutable");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Strict_reading_names_unknown_and_doubled_fields(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var body = Job("x", "\"foo\":1,\"parallelism\":1,\"parallelism\":2,");
        var strict = await api.PostAsync($"{Jobs(ns)}?fieldValidation=Strict", body);
        strict.Code.Should().Be(400);
        strict.Message.Should().StartWith("Job in version \"v1\" cannot be handled as a Job: strict decoding error: ");
        strict.Message.Should().Contain("unknown field \"spec.foo\"").And.Contain("duplicate field \"spec.parallelism\"");
        var warned = await api.PostAsync($"{Jobs(ns)}?fieldValidation=Warn", body);
        warned.Code.Should().Be(201);
        warned.Warnings.Should().HaveCount(2);
        ((long?)warned.Body!["spec"]!["parallelism"]).Should().Be(2, "the last one wins");
        (await api.PostAsync($"{Jobs(ns)}?fieldValidation=Ignore", body.Replace("\"name\":\"x\"", "\"name\":\"y1\"")))
            .Warnings.Should()
            .BeEmpty();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Pod_gets_its_defaults(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var pod = (
            await api.PostAsync(
                Pods(ns),
                """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"main","image":"app","resources":{"limits":{"nvidia.com/gpu":2,"cpu":0.5,"memory":"1024Mi"}}}]}}"""
            )
        ).Body!;
        ((string?)pod["spec"]!["restartPolicy"]).Should().Be("Always");
        ((long?)pod["spec"]!["terminationGracePeriodSeconds"]).Should().Be(30);
        ((string?)pod["spec"]!["schedulerName"]).Should().Be("default-scheduler");
        ((long?)pod["spec"]!["priority"]).Should().Be(0);
        ((string?)pod["spec"]!["containers"]![0]!["imagePullPolicy"]).Should().Be("Always");
        ((string?)pod["status"]!["phase"]).Should().Be("Pending");
        ((string?)pod["status"]!["qosClass"]).Should().Be("Guaranteed");
        var resources = pod["spec"]!["containers"]![0]!["resources"]!;
        ((string?)resources["requests"]!["nvidia.com/gpu"]).Should().Be("2");
        ((string?)resources["limits"]!["cpu"]).Should().Be("500m");
        ((string?)resources["limits"]!["memory"]).Should().Be("1Gi");
        pod["spec"]!["tolerations"]!
            .AsArray()
            .Select(t => (string?)t!["key"])
            .Should()
            .BeEquivalentTo("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Pods_spec_is_fixed(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Pods(ns), Pod("p"));
        var reply = await api.PatchAsync($"{Pods(ns)}/p", """{"spec":{"hostNetwork":true}}""");
        reply.Code.Should().Be(422);
        reply.Message.Should().Contain("spec: Forbidden: pod updates may not change fields other than");
        var image = await api.PatchAsync($"{Pods(ns)}/p", """{"spec":{"containers":[{"name":"main","image":"app:2"}]}}""", "strategic");
        image.Code.Should().Be(200, image.Text);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Pod_is_bound_once(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Pods(ns), Pod("p"));
        var binding =
            """{"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"apiVersion":"v1","kind":"Node","name":"n1"}}""";
        (await api.PostAsync($"{Pods(ns)}/p/binding", binding)).Code.Should().Be(201);
        var pod = (await api.GetAsync($"{Pods(ns)}/p")).Body!;
        ((string?)pod["spec"]!["nodeName"]).Should().Be("n1");
        pod["status"]!["conditions"]!.AsArray().Select(c => $"{c!["type"]}={c["status"]}").Should().Contain("PodScheduled=True");
        (await api.PostAsync($"{Pods(ns)}/p/binding", binding)).Code.Should().Be(409);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Eviction_deletes_the_pod(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Pods(ns), Pod("p"));
        (
            await api.PostAsync(
                $"{Pods(ns)}/p/eviction",
                $$$"""{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p","namespace":"{{{ns}}}"}}"""
            )
        )
            .Code.Should()
            .Be(201);
        (await api.GetAsync($"{Pods(ns)}/p")).Code.Should().Be(404);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Pod_of_an_unknown_priority_class_is_forbidden(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(Pods(ns), Pod("p", "\"priorityClassName\":\"nothing\","));
        reply.Code.Should().Be(403);
        reply.Message.Should().Be("pods \"p\" is forbidden: no PriorityClass with name nothing was found");
        (
            (long?)
                (
                    await api.PostAsync(
                        Pods(ns),
                        Pod("p", "\"priorityClassName\":\"system-cluster-critical\",").Replace("\"name\":\"p\"", "\"name\":\"p2\"")
                    )
                ).Body!["spec"]!["priority"]
        )
            .Should()
            .Be(2_000_000_000);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Immutable_data_stays(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(
            ConfigMaps(ns),
            """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"immutable":true,"data":{"a":"1"}}"""
        );
        var reply = await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"data":{"a":"2"}}""");
        reply.Code.Should().Be(422);
        reply.Message.Should().Be("ConfigMap \"x\" is invalid: data: Forbidden: field is immutable when `immutable` is set");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Secret_keeps_text_as_base64(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(
            $"/api/v1/namespaces/{ns}/secrets",
            """{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":"hello"}}"""
        );
        ((string?)reply.Body!["data"]!["a"]).Should().Be("aGVsbG8=");
        ((string?)reply.Body["type"]).Should().Be("Opaque");
        reply.Body["stringData"].Should().BeNull();
        (await api.PatchAsync($"/api/v1/namespaces/{ns}/secrets/s", """{"type":"other"}""")).Code.Should().Be(422);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Events_are_one_store_under_two_groups(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync($"/apis/events.k8s.io/v1/namespaces/{ns}/events", Event(ns));
        reply.Code.Should().Be(201, reply.Text);
        var core = (await api.GetAsync($"/api/v1/namespaces/{ns}/events/e")).Body!;
        ((string?)core["message"]).Should().Be("costs $2.295");
        ((string?)core["involvedObject"]!["name"]).Should().Be("train");
        // The field must not be absent, or kubectl's --sort-by=.lastTimestamp fails.
        core.AsObject().Should().ContainKeys("firstTimestamp", "lastTimestamp");
        ((string?)core["reportingComponent"]).Should().Be("bursar.dev/operator");
        ((string?)core["eventTime"]).Should().Be("2026-11-21T10:00:00.123456Z");
        var found = await api.GetAsync($"/apis/events.k8s.io/v1/namespaces/{ns}/events?fieldSelector=reason%3DSuspended");
        found.Body!["items"]!.AsArray().Should().ContainSingle();
        (await api.GetAsync($"/api/v1/namespaces/{ns}/events?fieldSelector=involvedObject.name%3Dtrain,type%3DWarning")).Body!["items"]!
            .AsArray()
            .Should()
            .ContainSingle();
        (await api.GetAsync($"/api/v1/namespaces/{ns}/events?fieldSelector=involvedObject.name%3Dother")).Body!["items"]!
            .AsArray()
            .Should()
            .BeEmpty();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Event_update_may_change_only_the_series(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var path = $"/apis/events.k8s.io/v1/namespaces/{ns}/events";
        await api.PostAsync(path, Event(ns));
        (await api.PatchAsync($"{path}/e", """{"note":"other"}""")).Code.Should().Be(422);
        var series = await api.PatchAsync($"{path}/e", """{"series":{"count":2,"lastObservedTime":"2026-11-21T10:00:05.000000Z"}}""");
        series.Code.Should().Be(200, series.Text);
        ((long?)series.Body!["series"]!["count"]).Should().Be(2);
    }

    [SkippableTheory]
    [InlineData("\"reportingInstance\":\"pod-1\",", "", "reportingInstance")]
    [InlineData("\"action\":\"Suspend\",", "", "action")]
    [InlineData("\"reason\":\"Suspended\",", "", "reason")]
    [InlineData("\"type\":\"Warning\",", "\"type\":\"Loud\",", "type")]
    [InlineData("\"eventTime\":\"2026-11-21T10:00:00.123456Z\",", "", "eventTime")]
    public async Task Event_must_be_whole(string part, string instead, string field)
    {
        foreach (var server in (string[])[EveryApiServer.SandboxName, EveryApiServer.RealName])
        {
            var api = await On(server);
            var ns = await api.NamespaceAsync();
            var reply = await api.PostAsync($"/apis/events.k8s.io/v1/namespaces/{ns}/events", Event(ns).Replace(part, instead));
            reply.Code.Should().Be(422, $"{server}: {reply.Text}");
            reply.Message.Should().Contain(field, server);
        }
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Lease_must_last(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var path = $"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases";
        var reply = await api.PostAsync(
            path,
            """{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"},"spec":{"holderIdentity":"a","leaseDurationSeconds":0}}"""
        );
        reply.Code.Should().Be(422);
        reply.Message.Should().Contain("spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0");
        (
            await api.PostAsync(
                path,
                """{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"renewTime":"2026-11-21T10:00:00.000001Z"}}"""
            )
        )
            .Code.Should()
            .Be(201);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Namespace_is_labelled_and_active(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var found = (await api.GetAsync($"/api/v1/namespaces/{ns}")).Body!;
        ((string?)found["metadata"]!["labels"]!["kubernetes.io/metadata.name"]).Should().Be(ns);
        ((string?)found["status"]!["phase"]).Should().Be("Active");
        found["spec"]!["finalizers"]!.ToJsonString().Should().Be("[\"kubernetes\"]");
        foreach (var name in (string[])["default", "kube-system", "kube-public", "kube-node-lease"])
        {
            (await api.UntilAsync($"/api/v1/namespaces/{name}", r => r.Code == 200)).Code.Should().Be(200);
        }
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Node_keeps_the_status_it_registers_with(string server)
    {
        var api = await On(server);
        var name = $"node-{Environment.ProcessId}";
        var reply = await api.PostAsync(
            "/api/v1/nodes",
            """{"apiVersion":"v1","kind":"Node","metadata":{"name":"NAME"},"status":{"capacity":{"nvidia.com/gpu":"8","cpu":"64"}}}""".Replace(
                "NAME",
                name
            )
        );
        reply.Code.Should().Be(201, reply.Text);
        ((string?)reply.Body!["status"]!["capacity"]!["nvidia.com/gpu"]).Should().Be("8");
        ((string?)reply.Body["status"]!["allocatable"]!["nvidia.com/gpu"]).Should().Be("8");
        (await api.DeleteAsync($"/api/v1/nodes/{name}")).Code.Should().Be(200);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Reviews_are_answered(string server)
    {
        var api = await On(server);
        var reply = await api.PostAsync(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            """{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"create","resource":"pods"}}}"""
        );
        reply.Code.Should().Be(201);
        ((bool?)reply.Body!["status"]!["allowed"]).Should().BeTrue();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Service_account_gets_a_token(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(
            $"/api/v1/namespaces/{ns}/serviceaccounts",
            """{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"robot"}}"""
        );
        var reply = await api.PostAsync(
            $"/api/v1/namespaces/{ns}/serviceaccounts/robot/token",
            """{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":600}}"""
        );
        reply.Code.Should().Be(201, reply.Text);
        ((string)reply.Body!["status"]!["token"]!).Split('.').Should().HaveCount(3);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Service_gets_an_address(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(
            $"/api/v1/namespaces/{ns}/services",
            """{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"selector":{"app":"x"},"ports":[{"port":80}]}}"""
        );
        reply.Code.Should().Be(201, reply.Text);
        ((string?)reply.Body!["spec"]!["type"]).Should().Be("ClusterIP");
        ((string?)reply.Body["spec"]!["clusterIP"]).Should().StartWith("10.");
        ((string?)reply.Body["spec"]!["ports"]![0]!["protocol"]).Should().Be("TCP");
        ((long?)reply.Body["spec"]!["ports"]![0]!["targetPort"]).Should().Be(80);
    }

    private static string Event(string ns) =>
        """
            {"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e"},"eventTime":"2026-11-21T10:00:00.123456Z","reportingController":"bursar.dev/operator","reportingInstance":"pod-1","action":"Suspend","reason":"Suspended","type":"Warning","note":"costs $2.295","regarding":{"apiVersion":"batch/v1","kind":"Job","name":"train","namespace":"NS"}}
            """.Replace("NS", ns);
}
