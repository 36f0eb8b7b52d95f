//! Common English words: nearly every tokenizer in use has each of them, with the space before it, as one token.

/// The words, apart by spaces.
const COMMON: &str = "able about above across action add after again against age agree air all allow almost alone along already \
    also always among amount animal another answer any appear apply area arm around arrive art ask attack \
    available away baby back bad bag ball bank bar base be beach bear beat beautiful because become bed before \
    begin behind believe below best better between big bill bird black blood blue board boat body book born both \
    bottom box boy break bridge bright bring brother brown build building burn business busy but buy by call can \
    car card care carry case catch cause center central century certain chair chance change charge check child \
    choice choose church circle city claim class clean clear climb clock close clothes cloud coast cold color \
    come common company compare complete computer condition consider contain continue control cook cool copy \
    corn corner correct cost could count country course cover create cross crowd cry current cut daily dance \
    danger dark data daughter day dead deal dear death decide deep degree design desk detail develop die \
    difference different difficult dinner direct direction discover do doctor does dog door double doubt down \
    draw dream dress drink drive drop dry during each early earth east easy eat edge effect egg eight either \
    electric else empty end enemy energy engine enjoy enough enter entire equal even evening event ever every \
    exact example except expect experience explain eye face fact fail fair fall family famous far farm fast \
    father favor fear feed feel few field fight figure fill final find fine finger finish fire first fish fit \
    five flat floor flow flower fly follow food foot for force foreign forest forget form forward found four \
    free fresh friend from front fruit full fun future game garden gas gather general gentle get girl give glad \
    glass go goal gold gone good government grand grass gray great green ground group grow guess guide hair half \
    hall hand happen happy hard hat have he head health hear heart heat heavy help her here high hill him his \
    history hit hold hole home hope horse hospital hot hotel hour house how huge human hundred hunt husband ice \
    idea if important in include increase industry inside instead interest into iron island it job join journey \
    judge jump just keep key kill kind king kitchen know lady lake land language large last late laugh law lay \
    lead learn least leave left leg length less letter level lie life light like line list listen little live \
    local long look lose loss lot loud love low machine main make man many map mark market master match material \
    matter may mean measure meat meet member memory method middle might mile milk million mind minute miss \
    modern moment money month moon more morning most mother mountain mouth move much music must name nation \
    natural nature near neck need never new news next nice night nine no noise none noon nor north nose not note \
    nothing notice now number object ocean of off offer office often oil old on once one only open or orange \
    order other our out outside over own page pain paint pair paper parent park part party pass past path \
    pattern pay peace people perfect perhaps period person picture piece place plain plan plane plant play \
    please point police poor position possible pound power practice present press pretty price print private \
    problem process produce product program promise proper protect prove public pull purpose push put quality \
    queen question quick quiet quite race radio rain raise range rate rather reach read ready real reason \
    receive record red remember report rest result return rich ride right ring rise river road rock roll room \
    root rose round row rule run safe salt same sand save say scale school science score sea search season seat \
    second secret section see seed seem sell send sense sentence separate serve set seven several shade shape \
    share sharp she ship shirt shoe shop short should shoulder show side sign silver similar simple since sing \
    single sister sit six size skin sky sleep slow small smell smile snow so social soft soil soldier some son \
    song soon sort sound south space speak special speed spell spend spoke spot spread spring square stage stand \
    star start state station stay step still stone stop store storm story straight strange stream street strong \
    student study style subject success such sudden sugar suggest summer sun supply support sure surface \
    surprise sweet swim system table tail take talk tall taste tax teach team tell temperature ten term test \
    than thank that the their them then there these they thick thin thing think third this those though thought \
    thousand three through throw time tiny to today together tomorrow tone too tool top total touch toward town \
    track trade train travel tree triangle trip trouble true trust try turn twelve twenty two type uncle under \
    unit until up us use usual valley value various very view village visit voice wait walk wall want war warm \
    wash watch water wave way we wear weather week weight well west wet what wheel when where which while white \
    who whole why wide wife wild will win wind window winter wish with within without woman wonder wood word \
    work world worry would write wrong yard year yellow yes yesterday yet you young your";

/// The words.
pub fn common() -> impl Iterator<Item = &'static str> {
    COMMON.split(' ')
}
