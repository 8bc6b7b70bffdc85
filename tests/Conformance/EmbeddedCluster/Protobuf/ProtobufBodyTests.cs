using System.Text;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Protobuf;
using Bursar.Sandbox.Schemas;
using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Protobuf;

public sealed class ProtobufBodyTests
{
    [Fact]
    public void Secret_is_read_as_helm_sends_it()
    {
        var body = Body("v1", "Secret", m =>
            m.Message(1, meta =>
                    meta.Text(1, "sh.helm.release.v1.x.v1")
                        .Text(3, "default")
                        .Text(5, "")
                        .Message(8, _ => { })
                        .Message(11, e => e.Text(1, "owner").Text(2, "helm"))
                )
                .Message(2, e => e.Text(1, "release").Bytes(2, [1, 2, 255]))
                .Text(3, "helm.sh/release.v1")
        );
        Decode(body)
            .ToJsonString()
            .Should()
            .Be(
                """{"apiVersion":"v1","kind":"Secret","metadata":{"name":"sh.helm.release.v1.x.v1","namespace":"default","labels":{"owner":"helm"}},"data":{"release":"AQL/"},"type":"helm.sh/release.v1"}"""
            );
    }

    [Fact]
    public void Deployment_is_read_as_kubectl_sends_it()
    {
        // The request of kubectl 1.35 for: create deployment d --image=nginx --replicas=0 --port=80.
        const string captured =
            "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErABChsKAWQSABoAIgAqADIAOABCAFoICgNhcHASAWQSggEIABIKCggKA2FwcBIBZBpqChoKABIAGgAi"
            + "ACoAMgA4AEIAWggKA2FwcBIBZBJMEi4KBW5naW54EgVuZ2lueCoAMgoKABAAGFAiACoAQgBqAHIAgAEAiAEAkAEAogEAGgAyAEIASgBSAFgAYABoAIIB"
            + "AIoBAJoBAMIBACICCgAoADgAGgwIABAAGAAgACgAOAAaACIA";
        Decode(Convert.FromBase64String(captured))
            .ToJsonString()
            .Should()
            .Be(
                """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","labels":{"app":"d"}},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"d"}},"template":{"metadata":{"labels":{"app":"d"}},"spec":{"containers":[{"name":"nginx","image":"nginx","ports":[{"containerPort":80}]}]}}}}"""
            );
    }

    [Fact]
    public void Required_scalar_stays_even_when_zero() =>
        Decode(
            Body("v1", "Pod", m => m.Message(3, s => s.Message(8, c => c.Text(1, "c").Number(4, 0).Number(5, 0).Text(6, "").Text(7, ""))))
        )["status"]!
            .ToJsonString()
            .Should()
            .Be("""{"containerStatuses":[{"name":"c","ready":false,"restartCount":0,"image":"","imageID":""}]}""");

    [Fact]
    public void Explicit_zero_stays_and_an_unset_zero_is_dropped()
    {
        // replicas is a pointer in the clients' memory, minReadySeconds and paused are not.
        var body = Body("apps/v1", "Deployment", m =>
            m.Message(2, spec =>
                spec.Number(1, 0)
                    .Number(5, 0)
                    .Number(7, 0)
                    .Message(4, s => s.Text(1, ""))
                    .Message(3, t =>
                        t.Message(2, pod =>
                            pod.Message(1, v => v.Text(1, "tmp").Message(2, source => source.Message(2, e => e.Text(1, ""))))
                        )
                    )
            )
        );
        Decode(body)["spec"]!
            .ToJsonString()
            .Should()
            .Be("""{"replicas":0,"template":{"spec":{"volumes":[{"name":"tmp","emptyDir":{}}]}}}""");
    }

    [Fact]
    public void Inlined_messages_quantities_ports_and_probes_are_read()
    {
        var body = Body("v1", "Pod", m =>
            m.Message(2, spec =>
                spec.Message(2, c =>
                    c.Text(1, "c")
                        .Message(7, env =>
                            env.Text(1, "E").Message(3, from => from.Message(3, key => key.Message(1, r => r.Text(1, "cm")).Text(2, "k")))
                        )
                        .Message(8, r => r.Message(1, e => e.Text(1, "nvidia.com/gpu").Message(2, q => q.Text(1, "1"))))
                        .Message(10, probe =>
                            probe
                                .Message(1, handler =>
                                    handler.Message(2, get =>
                                        get.Text(1, "/ok").Message(2, port => port.Number(1, 1).Number(2, 0).Text(3, "http"))
                                    )
                                )
                                .Number(2, 5)
                        )
                )
            )
        );
        Decode(body)["spec"]!["containers"]![0]!
            .ToJsonString()
            .Should()
            .Be(
                """{"name":"c","env":[{"name":"E","valueFrom":{"configMapKeyRef":{"name":"cm","key":"k"}}}],"resources":{"limits":{"nvidia.com/gpu":"1"}},"livenessProbe":{"httpGet":{"path":"/ok","port":"http"},"initialDelaySeconds":5}}"""
            );
    }

    [Fact]
    public void Times_field_sets_negative_numbers_and_numeric_ports_are_read()
    {
        var body = Body("v1", "Pod", m =>
            m.Message(1, meta =>
                    meta.Message(8, t => t.Number(1, 1_700_000_000).Number(2, 0))
                        .Message(17, f =>
                            f.Text(1, "helm")
                                .Message(4, t => t.Number(1, 1_700_000_001))
                                .Message(7, s => s.Bytes(1, "{\"f:a\":{}}"u8.ToArray()))
                        )
                )
                .Message(2, spec =>
                    spec.Number(25, -5)
                        .Message(2, c =>
                            c.Message(10, p =>
                                p.Message(1, h => h.Message(3, tcp => tcp.Message(1, port => port.Number(1, 0).Number(2, 80))))
                            )
                        )
                )
        );
        var pod = Decode(body);
        pod["metadata"]!
            .ToJsonString()
            .Should()
            .Be(
                """{"creationTimestamp":"2023-11-14T22:13:20Z","managedFields":[{"manager":"helm","time":"2023-11-14T22:13:21Z","fieldsV1":{"f:a":{}}}]}"""
            );
        pod["spec"]!["priority"]!.GetValue<long>().Should().Be(-5);
        pod["spec"]!["containers"]![0]!["livenessProbe"]!["tcpSocket"]!.ToJsonString().Should().Be("""{"port":80}""");
    }

    [Fact]
    public void Delete_options_of_any_group_are_read()
    {
        var body = Body("apps/v1", "DeleteOptions", m => m.Number(1, 0).Message(2, p => p.Text(1, "uid-1")).Text(4, "Background"));
        Decode(body)
            .ToJsonString()
            .Should()
            .Be(
                """{"apiVersion":"apps/v1","kind":"DeleteOptions","gracePeriodSeconds":0,"preconditions":{"uid":"uid-1"},"propagationPolicy":"Background"}"""
            );
    }

    [Fact]
    public void Packed_list_reads_like_an_unpacked_one()
    {
        // supplementalGroups (4) of a pod's security context (14).
        static byte[] With(Action<MessageWriter> groups) => Body("v1", "Pod", m => m.Message(2, spec => spec.Message(14, groups)));
        var packed = Decode(With(m => m.Bytes(4, [1, 2, 0x80, 1])));
        var unpacked = Decode(With(m => m.Number(4, 1).Number(4, 2).Number(4, 128)));
        packed.ToJsonString().Should().Be(unpacked.ToJsonString()).And.Contain("[1,2,128]");
    }

    [Fact]
    public void Unknown_fields_are_passed_over() =>
        Decode(Body("v1", "Namespace", m => m.Number(900, 1).Text(901, "x").Message(1, meta => meta.Text(1, "n").Text(950, "y"))))
            .ToJsonString()
            .Should()
            .Be("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}}""");

    [Fact]
    public void JSON_inside_of_the_envelope_is_read_as_such()
    {
        var body = Envelope("v1", "ConfigMap", "{\"data\":{\"a\":\"b\"}}"u8.ToArray(), "application/json");
        Decode(body).ToJsonString().Should().Be("""{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"b"}}""");
    }

    [Fact]
    public void Malformed_body_is_refused_with_a_sentence()
    {
        var whole = Body("v1", "Secret", m => m.Message(1, meta => meta.Text(1, "name")));
        foreach (
            var body in new[]
            {
                [],
                "{}"u8.ToArray(),
                whole[..^3],
                [.. whole[..4], 0xff, 0xff, 0xff],
                Body("v1", "Secret", m => m.Number(1, 5)),
                Envelope("", "", [], ""),
            }
        )
        {
            var read = () => Decode(body);
            read.Should().Throw<ProtobufBodyException>().Which.Message.Should().EndWith(".");
        }
    }

    [Fact]
    public void Kind_without_a_protobuf_form_is_distinguished()
    {
        var read = () => Decode(Body("demo.example.com/v1", "Widget", _ => { }));
        read.Should().Throw<ProtobufBodyException>().Which.IsUnknownKind.Should().BeTrue();
    }

    [Fact]
    public void Any_bytes_are_either_read_or_refused() =>
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
            {
                try
                {
                    return Decode(Envelope("apps/v1", "Deployment", bytes, "")).Count >= 2;
                }
                catch (ProtobufBodyException)
                {
                    return true;
                }
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Config_map_keeps_all_its_entries() =>
        Prop.ForAll(ArbMap.Default.ArbFor<Dictionary<NonEmptyString, string>>(), entries =>
            {
                var data = entries.GroupBy(e => Clean(e.Key.Get)).ToDictionary(g => g.Key, g => Clean(g.First().Value ?? ""));
                var decoded = Decode(Body("v1", "ConfigMap", m =>
                    {
                        foreach (var (key, value) in data)
                        {
                            m.Message(2, e => e.Text(1, key).Text(2, value));
                        }
                    }));
                var read = (decoded["data"] as JsonObject ?? []).ToDictionary(p => p.Key, p => p.Value!.GetValue<string>());
                return read.Count == data.Count && data.All(d => read[d.Key] == d.Value);
            })
            .QuickCheckThrowOnFailure();

    /// <summary>A lone surrogate has no form in UTF-8, so no client can send one.</summary>
    private static string Clean(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private static JsonObject Decode(byte[] body) => ProtobufBody.Decode(body, BuiltInTypes.For);

    private static byte[] Body(string apiVersion, string kind, Action<MessageWriter> write) =>
        Envelope(apiVersion, kind, MessageWriter.Write(write), "");

    private static byte[] Envelope(string apiVersion, string kind, byte[] raw, string contentType) =>
        [
            .. "k8s\0"u8,
            .. MessageWriter.Write(m =>
                m.Message(1, t => t.Text(1, apiVersion).Text(2, kind)).Bytes(2, raw).Text(3, "").Text(4, contentType)
            ),
        ];

    /// <summary>Writes a message field by field, so that a test has the numbers of the wire.</summary>
    private sealed class MessageWriter
    {
        private readonly CodedOutputStream _output;

        private MessageWriter(CodedOutputStream output) => _output = output;

        public static byte[] Write(Action<MessageWriter> write)
        {
            using var buffer = new MemoryStream();
            using (var output = new CodedOutputStream(buffer, leaveOpen: true))
            {
                write(new MessageWriter(output));
            }

            return buffer.ToArray();
        }

        public MessageWriter Text(int number, string value)
        {
            _output.WriteTag(number, WireFormat.WireType.LengthDelimited);
            _output.WriteString(value);
            return this;
        }

        public MessageWriter Number(int number, long value)
        {
            _output.WriteTag(number, WireFormat.WireType.Varint);
            _output.WriteInt64(value);
            return this;
        }

        public MessageWriter Bytes(int number, byte[] value)
        {
            _output.WriteTag(number, WireFormat.WireType.LengthDelimited);
            _output.WriteBytes(ByteString.CopyFrom(value));
            return this;
        }

        public MessageWriter Message(int number, Action<MessageWriter> write) => Bytes(number, Write(write));
    }
}
